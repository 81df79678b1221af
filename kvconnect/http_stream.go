package kvconnect

import (
	"net/http"
	"sync"
	"time"
)

// httpStream writes the pieces of a feed to a reply of net/http. Its methods belong to one
// goroutine, but for hurry.
type httpStream struct {
	w          http.ResponseWriter
	control    *http.ResponseController
	clientGone bool
}

func (s *httpStream) send(piece []byte) {
	if _, err := s.w.Write(piece); err != nil {
		s.clientGone = true
		return
	}
	s.clientGone = s.control.Flush() != nil
}

// hurryTimeout is what a client that does not read is given at a drain.
const hurryTimeout = time.Second

// hurry bounds the write under way. It may be called by any goroutine.
func (s *httpStream) hurry() {
	_ = s.control.SetWriteDeadline(time.Now().Add(hurryTimeout)) // both versions of HTTP can
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
