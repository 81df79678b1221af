package httpconn

import (
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/net/http2"
)

// write sends what gathers in out until the connection fails.
func (c *http2Conn) write() {
	var spare []byte
	for {
		select {
		case <-c.wake:
		case <-c.failed:
			return
		}
		// The calls whose replies came together are about to send their next requests:
		// they go into the same write.
		runtime.Gosched()
		for {
			c.mu.Lock()
			data := c.out.data
			c.out.data = spare[:0]
			c.mu.Unlock()
			if len(data) == 0 {
				spare = data
				break
			}
			if _, err := c.conn.Write(data); err != nil {
				c.fail(fmt.Errorf("%w: %w", ErrLost, err))
				return
			}
			spare = data
		}
	}
}

func (c *http2Conn) wakeWriter() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// sendHeaders puts a header block into as many frames as it takes. Frames of such
// content do not fail, nor do those below.
func (c *http2Conn) sendHeaders(id uint32, block []byte, endStream bool) {
	first := block[:min(len(block), c.frameBytes)]
	rest := block[len(first):]
	_ = c.frames.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, BlockFragment: first, EndStream: endStream, EndHeaders: len(rest) == 0,
	})
	for len(rest) > 0 {
		part := rest[:min(len(rest), c.frameBytes)]
		rest = rest[len(part):]
		_ = c.frames.WriteContinuation(id, len(rest) == 0, part)
	}
}

// sendBody sends as much of the body as the windows allow, and tells whether that is
// all of it.
func (c *http2Conn) sendBody(call *Call) (all bool) {
	s := &call.stream
	for len(s.unsent) > 0 {
		n := min(int64(len(s.unsent)), int64(c.frameBytes), s.window, c.window)
		if n <= 0 {
			return false
		}
		part := s.unsent[:n]
		s.unsent = s.unsent[n:]
		s.window -= n
		c.window -= n
		_ = c.frames.WriteData(s.id, len(s.unsent) == 0, part)
	}
	return true
}

// sendBlocked goes on with bodies that waited for a window, the oldest first.
func (c *http2Conn) sendBlocked() {
	c.blocked = slices.DeleteFunc(c.blocked, c.sendBody)
	c.wakeWriter()
}

func (c *http2Conn) reset(call *Call, code http2.ErrCode) {
	_ = c.frames.WriteRSTStream(call.stream.id, code)
	c.wakeWriter()
}
