package transport

import (
	"golang.org/x/net/http2"
)

// defaultWindowBytes is what a side may send before it is told more (RFC 9113, 6.9.2).
const defaultWindowBytes = 65_535

// maxWindowBytes is the largest window.
const maxWindowBytes = 1<<31 - 1

// windows are those of the connection as a whole. They are guarded by its mu.
type windows struct {
	sendBytes    int64 // what the server may send
	largestBytes int64 // that sendBytes has been
	// updatesEarned is how many WINDOW_UPDATE frames the client may send at no charge.
	updatesEarned int

	receiveBytes  int64      // what the client may send
	creditBytes   int64      // what it may send again once it is worth a frame
	heldBytes     int64      // what the bodies of requests hold
	withheldBytes int64      // what it may not send again because bodies hold too much
	promisedBytes int64      // what it may send of bodies beyond the windows that streams begin with
	awaiting      streamList // streams whose bodies must wait until less is promised
	ahead         *stream    // whose body may be promised more than that; nil for none
}

func newWindows() windows {
	return windows{
		sendBytes: defaultWindowBytes, largestBytes: defaultWindowBytes,
		receiveBytes: receiveWindowBytes,
	}
}

// receiveWindowUpdate lets the server send more.
func (c *conn) receiveWindowUpdate(frame *http2.WindowUpdateFrame) error {
	c.mu.Lock()
	defer c.unlock()
	if c.windows.updatesEarned > 0 {
		c.windows.updatesEarned--
	} else if err := c.idleness.note(1); err != nil {
		return err
	}
	increment := int64(frame.Increment)
	if frame.StreamID == 0 {
		if c.windows.sendBytes += increment; c.windows.sendBytes > maxWindowBytes {
			return http2.ConnectionError(http2.ErrCodeFlowControl)
		}
		c.windows.largestBytes = max(c.windows.largestBytes, c.windows.sendBytes)
		c.resumeHeld()
		c.fill()
		return nil
	}
	s := c.streams[frame.StreamID]
	if s == nil {
		return c.onClosedStream(frame.StreamID)
	}
	if s.sendWindowBytes += increment; s.sendWindowBytes > maxWindowBytes {
		return http2.StreamError{StreamID: s.id, Code: http2.ErrCodeFlowControl}
	}
	c.creditFeed(s, increment)
	c.resume(s)
	c.fill()
	return nil
}

// resume goes on with a stream that had to wait. The caller holds mu.
func (c *conn) resume(s *stream) {
	switch {
	case s.list != nil || s.asked || s.closed || s.discards || s.sendWindowBytes <= 0:
	case len(s.rest) > 0 || s.last:
		c.out.ready.push(s)
	default:
		c.tellSoon(s)
	}
}

// giveBack lets the client send as much again. The caller holds mu.
func (c *conn) giveBack(bytes int64) {
	c.windows.creditBytes += bytes
	if credit := c.windows.creditBytes; credit >= receiveWindowBytes/4 {
		c.appendWindowUpdate(0, credit)
		c.windows.receiveBytes += credit
		c.windows.creditBytes = 0
	}
}

// holdBody has the body of a request hold what the client has sent. It may send as much again
// at once unless the bodies hold too much: if it had to wait until they are done with,
// requests that all arrive in parts might wait for each other. The caller holds mu.
func (c *conn) holdBody(r *request, bytes int64) {
	r.heldBytes += bytes
	c.windows.heldBytes += bytes
	if c.windows.heldBytes > 2*maxHeldBytes {
		c.windows.withheldBytes += bytes
		return
	}
	c.giveBack(bytes)
}

// release undoes holdBody. The caller holds mu.
func (c *conn) release(r *request) {
	bytes := r.heldBytes
	r.heldBytes = 0
	c.windows.heldBytes -= bytes
	if owed := min(bytes, c.windows.withheldBytes); owed > 0 {
		c.windows.withheldBytes -= owed
		c.giveBack(owed)
	}
}
