package kvconnect

import (
	"net/http"
	"sync"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
)

// watchStream writes frames. Its methods belong to one goroutine, but for hurry.
type watchStream struct {
	w          http.ResponseWriter
	control    *http.ResponseController
	clientGone bool
}

func (s *watchStream) sendState(state protocol.WatchOutput) error {
	frame, err := state.EncodeFrame()
	if err != nil {
		return err
	}
	s.send(frame)
	return nil
}

func (s *watchStream) send(frame []byte) {
	if _, err := s.w.Write(frame); err != nil {
		s.clientGone = true
		return
	}
	s.clientGone = s.control.Flush() != nil
}

// hurryTimeout is what a client that does not read is given at a drain.
const hurryTimeout = time.Second

// hurry bounds the write under way. It may be called by any goroutine.
func (s *watchStream) hurry() {
	_ = s.control.SetWriteDeadline(time.Now().Add(hurryTimeout)) // both transports can
}

// openWatches are the streams that a drain must not wait for. It is safe for
// concurrent use.
type openWatches struct {
	mu      sync.Mutex
	streams map[*watchStream]struct{} // guarded by mu
	hurried bool                      // guarded by mu
}

func (o *openWatches) add(s *watchStream) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.streams[s] = struct{}{}
	if o.hurried {
		s.hurry()
	}
}

// remove must be called before the handler returns: its stream may not be touched
// after that.
func (o *openWatches) remove(s *watchStream) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.streams, s)
}

// hurry ends the streams whose clients do not read.
func (o *openWatches) hurry() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hurried = true
	for s := range o.streams {
		s.hurry()
	}
}
