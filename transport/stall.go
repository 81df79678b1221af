package transport

import "golang.org/x/net/http2"

// stallLooks is how often streams are looked at in the time that they may be stalled.
const stallLooks = 8

// endStalled ends the streams whose clients have taken nothing for too long, although there
// is something for them, and lets the others of the connection go on. Clients open a watch
// anew when they want to read it again, and get its newest state first. The caller holds mu.
func (c *conn) endStalled(now int64) {
	limit := c.server.limits.stall.Nanoseconds()
	if now < c.times.nextStall {
		return
	}
	c.times.nextStall = now + limit/stallLooks
	for _, s := range c.streams {
		if s.isStalled(now - limit) {
			c.server.stalled.Add(1)
			c.reset(s, http2.ErrCodeCancel)
		}
	}
}

// isStalled tells whether the client has taken nothing since a moment. Of a feed it would
// have taken a sign of life, and a piece of it must have been taken whole; of other replies
// any byte will do. The caller holds the mu of the connection.
func (s *stream) isStalled(since int64) bool {
	if s.feed == nil {
		return len(s.rest) > 0 && s.lastSent < since
	}
	if s.asked || s.list == &s.conn.toTell {
		return false // it is not the client that is waited for
	}
	_, silence := s.feed.KeepAlive()
	return s.lastSent+silence.Nanoseconds() < since
}
