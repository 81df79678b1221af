package transport

import (
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// requestBody is the body of a request that net/http's handler reads. The client may send
// as much as was read, so the rest takes no memory.
type requestBody struct {
	conn   *conn
	call   *httpCall
	closed atomic.Bool
}

// Read implements io.Reader.
func (b *requestBody) Read(p []byte) (int, error) {
	if b.closed.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	c, s := b.conn, b.call.stream
	c.mu.Lock()
	defer c.unlock()
	for {
		r := s.request
		switch {
		case b.call.aborted || s.closed || r == nil:
			return 0, io.ErrUnexpectedEOF
		case len(r.body) > 0 && len(p) > 0:
			return b.take(p, r), nil
		case s.remoteEnded:
			return 0, io.EOF
		case b.call.deadlinePassed:
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		}
		if b.call.expects && !s.replied {
			b.call.expects = false
			c.appendHead(s.id, false, headContinue.encoded())
		}
		c.flush()
		if len(r.body) == 0 && !s.remoteEnded && !b.call.aborted && !b.call.deadlinePassed {
			b.call.moved.Wait()
		}
	}
}

// take gives what has arrived. The caller holds the mu of the connection.
func (b *requestBody) take(p []byte, r *request) int {
	c := b.conn
	n := copy(p, r.body)
	if r.body = r.body[n:]; len(r.body) == 0 {
		r.body = nil
	}
	part := request{heldBytes: int64(n)}
	r.heldBytes -= int64(n)
	c.release(&part)
	if !b.call.stream.remoteEnded {
		c.allowMore(b.call.stream, r)
		c.flush()
	}
	return n
}

// Close implements io.Closer.
func (b *requestBody) Close() error {
	b.closed.Store(true)
	return nil
}

// readDeadline ends the reading of a body. It is guarded by the mu of the connection.
type readDeadline struct{ timer *time.Timer }

func (d *readDeadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

// setReadDeadline has reads fail from a moment on; the zero time takes that back.
func (c *conn) setReadDeadline(call *httpCall, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	call.deadline.stop()
	call.deadlinePassed = false
	if at.IsZero() || call.aborted {
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(time.Until(at), func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if call.deadline.timer == timer { // not one that was stopped too late
			call.deadlinePassed = true
			call.moved.Broadcast()
		}
	})
	call.deadline.timer = timer
}
