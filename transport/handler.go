package transport

import (
	"context"
	"errors"
	"time"
)

// Handler decides on the calls of the data path. It is safe for concurrent use.
type Handler interface {
	// Admit decides on a request by its header, before its body is read. It gives
	// the call, or the reply if it is refused, or neither if the request is none
	// of the data path and must go to net/http. It does not wait for anything.
	Admit(request Request) (call Call, refusal *Reply)
}

// Request is a request before its body. The strings may be kept, Header may not.
type Request struct {
	Method string
	Path   string // without the query
	Header Header
	// RemoteAddr is the address of the peer, as http.Request has it.
	RemoteAddr string
}

// Header gives the first field of a name in any case, or "". An http.Header is one.
type Header interface {
	Get(name string) string
}

// Call is an admitted request. After MaxBodyBytes either Refuse is called, or Receive
// and then Serve, each once and by one goroutine at a time. Nothing more is called if
// the client gives the request up.
type Call interface {
	// MaxBodyBytes is how long the body may be, inclusive.
	MaxBodyBytes() int64

	// Refuse gives the reply to a request whose body is not there: ErrBodyTooLarge,
	// ErrBodyTimeout or ErrBodyIncomplete.
	Refuse(err error) Reply

	// Receive takes the body, which belongs to the call from then on. It tells
	// whether Serve is quick, as a read of few entries is: other requests of the
	// connection wait for it. It does not wait for anything.
	Receive(body []byte) (quick bool)

	// Serve gives the reply. ctx ends when the client gives the request up or is
	// gone. A reply with a Feed has waker woken when there is news.
	Serve(ctx context.Context, waker Waker) Reply
}

// What can be wrong with a body.
var (
	ErrBodyTooLarge   = errors.New("the request body is too large")
	ErrBodyTimeout    = errors.New("the request body took too long")
	ErrBodyIncomplete = errors.New("the request body did not arrive whole")
)

// Reply is the answer to a request.
type Reply struct {
	// Head is the status and the fields. It may be shared by replies.
	Head *Head
	// Field is one more field, of this reply alone; the zero Field for none. Its name is in
	// lower case, and name and value are shorter than 127 bytes, or it is left out.
	Field Field
	// Body is all of the body, or the first piece of it if there is a Feed. It is
	// not changed any more.
	Body []byte
	// Feed gives the rest of a body without an end; nil for none. The transport
	// closes it.
	Feed Feed
}

// Feed is the body of a reply that goes on for as long as the client likes. One
// goroutine at a time calls its methods.
type Feed interface {
	// Next gives the next piece, or none if there is no news. It is called after a
	// Wake once all before it is on its way, so a slow client gets the newest. An
	// error ends the body in order.
	Next(ctx context.Context) (piece []byte, err error)

	// KeepAlive gives the piece to be sent after a silence. They are always the same;
	// it may be called with locks held and by any goroutine.
	KeepAlive() (piece []byte, silence time.Duration)

	// Close is called once, after the last Next.
	Close()
}

// Waker is told that the Next of a feed may have news. Wake does not wait, may be
// called by any goroutine, at any time, and once too often.
type Waker interface {
	Wake()
}
