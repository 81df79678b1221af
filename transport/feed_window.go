package transport

// The window of a connection is shared by all that a program does. Feeds that it does not
// read would fill it, and everything else would wait for ever. So feeds leave a part of it
// to the other replies. One that is read may go on even then: as far as the client has told
// that it read of that feed since.

// windowIsScarce tells whether feeds have used what they may of the window. The caller holds
// mu.
func (c *conn) windowIsScarce() bool {
	largest := c.windows.largestBytes
	return largest >= largeWindowBytes && c.windows.sendBytes <= largest/feedReserve
}

// feedMayGoOn tells whether a feed may use the window. The caller holds mu.
func (c *conn) feedMayGoOn(s *stream) bool {
	return c.out.unsentBytes <= maxUnsentBytes && (s.readBytes > 0 || !c.windowIsScarce())
}

// hold has a feed wait until it may use the window. The caller holds mu.
func (c *conn) hold(s *stream) {
	c.out.held.push(s)
	c.out.crowded = c.out.crowded || c.out.unsentBytes > maxUnsentBytes
}

// resumeHeld goes on with the feeds that had to wait. The caller holds mu.
func (c *conn) resumeHeld() {
	if c.out.held.isEmpty() || c.out.unsentBytes > maxUnsentBytes || c.windowIsScarce() && !c.out.crowded {
		return
	}
	crowded, room := c.out.crowded, c.roomForFeeds()
	c.out.crowded = false
	for last := c.out.held.last; room > 0; {
		s := c.out.held.pop()
		room -= min(int64(len(s.rest)), max(0, s.sendWindowBytes))
		c.resume(s) // which may put it there again
		if s == last {
			return
		}
	}
	c.out.crowded = c.out.crowded || crowded // the rest goes on when that much is sent
}

// roomForFeeds gives how much feeds may use of the window. No more of them than that are
// resumed, or a client could have a hundred thousand go on for each byte. The caller holds mu.
func (c *conn) roomForFeeds() int64 {
	if c.windows.largestBytes < largeWindowBytes || c.windowIsScarce() {
		return maxWindowBytes // it is not the window that they go by
	}
	return c.windows.sendBytes - c.windows.largestBytes/feedReserve
}

// noteFed notes what a feed has used of the window. The caller holds mu.
func (c *conn) noteFed(s *stream, bytes int64) {
	if c.windowIsScarce() {
		s.readBytes = max(0, s.readBytes-bytes)
	} else {
		s.readBytes = 0
	}
}

// creditFeed notes what the client has read of a feed. The caller holds mu.
func (c *conn) creditFeed(s *stream, bytes int64) {
	if s.feed == nil {
		return
	}
	s.readBytes += bytes
	if s.list == &c.out.held && c.feedMayGoOn(s) {
		c.out.held.remove(s)
	}
}
