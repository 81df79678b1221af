package transport

import "strings"

// A client may send a body of which it says how long it is without a pause, and others a
// part at a time. Bodies are kept until they are there whole, so they may not be any number
// at a time: beyond maxHeldBytes only one is let go on, and the others in their turn when it
// is there. If all had to wait for each other, none would ever be.

// expect has the client send a body, also if it waits for being asked. The caller holds mu.
func (c *conn) expect(s *stream, r *request) {
	if more := r.declaredBytes - r.windowBytes; more > 0 {
		c.promise(s, r, more)
	}
	if strings.EqualFold(c.header.Get("expect"), "100-continue") {
		c.appendHead(s.id, false, headContinue.encoded())
	}
}

// allowMore lets the client send more of a body, unless it has much of the window still. The
// caller holds mu.
func (c *conn) allowMore(s *stream, r *request) {
	more := streamWindowBytes - r.windowBytes
	switch {
	case more < streamWindowBytes/2:
	case r.http != nil: // it holds no more than a window
		c.appendWindowUpdate(s.id, more)
		r.windowBytes += more
	default:
		c.promise(s, r, more)
	}
}

// promise lets the client send more of the body of a call, or has that wait. The caller holds
// mu.
func (c *conn) promise(s *stream, r *request, bytes int64) {
	if !c.mayPromise(s, bytes) {
		if r.awaitedBytes == 0 {
			c.windows.awaiting.push(s)
		}
		r.awaitedBytes = max(r.awaitedBytes, bytes) // it may ask again while it waits
		return
	}
	c.appendWindowUpdate(s.id, bytes)
	r.windowBytes += bytes
	r.promisedBytes += bytes
	c.windows.promisedBytes += bytes
}

// mayPromise tells whether a body may go on, which it may beyond the limit if no other does.
// The caller holds mu.
func (c *conn) mayPromise(s *stream, bytes int64) bool {
	if c.windows.promisedBytes+bytes <= maxHeldBytes {
		return true
	}
	if c.windows.ahead == nil {
		c.windows.ahead = s
	}
	return c.windows.ahead == s
}

// keepPromises goes on with bodies that had to wait. The caller holds mu.
func (c *conn) keepPromises() {
	if c.stage == stageClosed || c.inputEnded {
		return // nothing more comes
	}
	for s := c.windows.awaiting.first; s != nil; s = c.windows.awaiting.first {
		r := s.request
		bytes := r.awaitedBytes
		if !c.mayPromise(s, bytes) {
			return
		}
		c.forgetAwaited(s, r)
		c.promise(s, r, bytes)
	}
}

// forgetAwaited has a body wait no more. The caller holds mu.
func (c *conn) forgetAwaited(s *stream, r *request) {
	r.awaitedBytes = 0
	if s.list == &c.windows.awaiting {
		s.list.remove(s)
	}
}

// endTurn goes on with others, as a body needs nothing more. The caller holds mu.
func (c *conn) endTurn(s *stream, r *request) {
	c.forgetAwaited(s, r)
	if c.windows.ahead == s {
		c.windows.ahead = nil
	}
	c.keepPromises()
}

// breakPromises gives back what a body was promised. The caller holds mu.
func (c *conn) breakPromises(s *stream, r *request) {
	c.windows.promisedBytes -= r.promisedBytes
	r.promisedBytes = 0
	c.endTurn(s, r)
}
