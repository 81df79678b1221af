package kvconnect

import (
	"net/http"
	"sync"
	"time"

	"github.com/kvconnect/kvconnect/transport"
)

// httpStream writes the pieces of a feed to a reply of net/http. Its methods belong to one
// goroutine, but for hurry.
type httpStream struct {
	server     *Server
	w          http.ResponseWriter
	control    *http.ResponseController
	silence    time.Duration // after which there is a sign of life
	clientGone bool

	mu      sync.Mutex
	hurried bool // guarded by mu, and so is the deadline of w
}

// begin sends the head of a reply and the first piece of its feed.
func (s *httpStream) begin(reply transport.Reply) {
	_, s.silence = reply.Feed.KeepAlive()
	writeHead(s.w, reply)
	s.send(reply.Body)
}

// send sends a piece, for which the client may take the time of the deadline.
func (s *httpStream) send(piece []byte) {
	begun := s.bound()
	_, err := s.w.Write(piece)
	if err == nil {
		err = s.control.Flush()
	}
	if err != nil {
		s.clientGone = true
		s.server.noteStalled(begun)
	}
}

// bound has the piece that is sent now in time until the next one is due, which sets the
// deadline anew: over HTTP/2 it would end the stream even while nothing is written.
func (s *httpStream) bound() (begun time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	begun = time.Now()
	if !s.hurried {
		s.setDeadline(begun.Add(s.silence + s.server.options.StallTimeout))
	}
	return begun
}

// hurryTimeout is what a client that does not read is given at a drain.
const hurryTimeout = time.Second

// hurry bounds the write under way, and those that follow. It may be called by any goroutine.
func (s *httpStream) hurry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hurried = true
	s.setDeadline(time.Now().Add(hurryTimeout))
}

func (s *httpStream) setDeadline(at time.Time) {
	_ = s.control.SetWriteDeadline(at) // both versions of HTTP can
}

// openStreams are the streams that a drain must not wait for. It is safe for
// concurrent use.
type openStreams struct {
	mu      sync.Mutex
	streams map[*httpStream]struct{} // guarded by mu
	hurried bool                     // guarded by mu
}

func (o *openStreams) add(s *httpStream) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.streams[s] = struct{}{}
	if o.hurried {
		s.hurry()
	}
}

// remove must be called before the handler returns: its stream may not be touched
// after that.
func (o *openStreams) remove(s *httpStream) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.streams, s)
}

// hurry ends the streams whose clients do not read.
func (o *openStreams) hurry() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hurried = true
	for s := range o.streams {
		s.hurry()
	}
}
