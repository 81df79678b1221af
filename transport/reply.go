package transport

// reply sends a reply, or as much of it as the client lets the server. The caller holds mu.
func (c *conn) reply(s *stream, reply Reply) {
	if s.closed {
		if reply.Feed != nil {
			c.ended = append(c.ended, reply.Feed)
		}
		return
	}
	c.answered(s)
	date := *c.server.date.Load()
	var fieldBytes [64]byte
	field := appendField(fieldBytes[:0], reply.Field)
	if reply.Feed != nil {
		c.appendHead(s.id, false, reply.Head.encoded(), field, date)
		c.beginFeed(s, reply)
		return
	}
	var length [24]byte
	contentLength := appendContentLength(length[:0], len(reply.Body))
	c.appendHead(s.id, len(reply.Body) == 0, reply.Head.encoded(), field, contentLength, date)
	s.last = true
	if len(reply.Body) == 0 {
		c.localEnded(s)
		return
	}
	c.sendLater(s, reply.Body)
	c.fill()
}

// answered notes that the head of the reply is on its way. The caller holds mu.
func (c *conn) answered(s *stream) {
	s.replied = true
	c.unanswered--
	if r := s.request; r != nil && r.http == nil {
		c.endRequest(s, r)
	}
}

// sendLater adds the next bytes of a reply. The caller holds mu.
func (c *conn) sendLater(s *stream, body []byte) {
	s.rest = body
	s.lastSent = c.server.clock.Load()
	c.out.unsentBytes += int64(len(body))
	c.out.ready.push(s)
}
