package httpconn

import (
	"context"
	"net/http"

	"golang.org/x/net/http2/hpack"
)

// Version is a version of HTTP.
type Version int

// The versions that Dial speaks.
const (
	HTTP1 Version = 1 // HTTP/1.1
	HTTP2 Version = 2 // with prior knowledge, or by ALPN with TLS
)

// Conn is a connection to a server. It is safe for concurrent use.
type Conn interface {
	// Do sends the call and waits for the end of its reply. An error means that there
	// is no whole reply; whether the server has carried the call out is then unknown.
	// A reply of any status is none. When ctx ends first, Do gives its error, and
	// nothing touches the call any more once it has returned.
	Do(ctx context.Context, call *Call) error
	// Start sends the call and does not wait for its reply; ctx bounds Start alone. If it
	// gives no error, the call goes on until its reply or the connection ends: onEnd then
	// gets what Do would have given, once, where the connection reads. It must be quick
	// and must not use the connection.
	Start(ctx context.Context, call *Call, onEnd func(error)) error
	// Broken tells that the connection takes no further calls.
	Broken() bool
	// Idle tells that no call is under way.
	Idle() bool
	// Close ends the connection with all calls under way, and waits for its goroutines.
	Close()
}

// Route is what calls have in common. A route is not changed once it is in use, and
// a connection takes the same *Route for the same content.
type Route struct {
	// Path is that of the URL, with its query if it has one.
	Path string
	// Header holds the header fields but for Host and Content-Length. Names are in
	// lower case.
	Header []hpack.HeaderField
}

// Call is one POST and its reply. It may be used again, with the memory that it has
// taken, but not for two calls at a time.
type Call struct {
	Route *Route
	// Body is not changed while the call is under way.
	Body []byte
	// OnData, if set, gets the body of a reply of status 200 as it arrives, in place of
	// Reply. It runs where the connection reads: it must be quick, must not use the
	// connection and must not keep the chunk.
	OnData func(chunk []byte)

	// Status, ContentType and Reply are the reply. Reply is valid until the call is
	// used again.
	Status      int
	ContentType string
	Reply       []byte

	stream stream
}

// MaxReplyBytes is the longest body that a reply may have, but for what OnData gets.
const MaxReplyBytes = 128 << 20

func (c *Call) reset() {
	c.Status, c.ContentType, c.Reply = 0, "", c.Reply[:0]
}

// receive takes a part of the body of the reply.
func (c *Call) receive(chunk []byte) error {
	if c.OnData != nil && c.Status == http.StatusOK {
		c.OnData(chunk)
		return nil
	}
	if len(c.Reply)+len(chunk) > MaxReplyBytes {
		return errReplyTooLong
	}
	c.Reply = append(c.Reply, chunk...)
	return nil
}
