package transport

import "context"

// stream is one request and its reply. There may be a hundred thousand with a feed, so
// what only requests need is apart.
type stream struct {
	conn *conn // for good, so that whoever has kept the stream may still wake it
	streamState
}

// streamState is guarded by the mu of the connection.
type streamState struct {
	id uint32

	remoteEnded bool // the request is there whole
	replied     bool // the head of the reply is on its way
	discards    bool // the reply is sent, and what is left of the body is awaited
	bodyFits    bool // what is left of it is no more than the client may send already
	closed      bool // it is no longer among the streams of the connection
	foreign     bool // it carries no call that was admitted

	request *request // until the reply

	// The reply. rest is what of it is not yet in the output, and last tells that
	// nothing follows.
	sendWindowBytes int64
	rest            []byte
	last            bool

	// list is the one that the stream is in: of those whose body must wait, that wait for
	// a worker, that have something to send, whose feed may have news, or whose feed is
	// held. It is nil for none.
	list           *streamList
	previous, next *stream

	feed     Feed
	woken    bool  // Next may have news
	asked    bool  // a teller calls Next
	lastSent int64 // nanoseconds; of a feed when its last piece was there to be sent
	// readBytes is what the client has told that it read while the window was scarce.
	readBytes int64
}

// request is what of a stream is needed until it is answered.
type request struct {
	call Call      // nil for net/http's
	http *httpCall // nil for a call

	body          []byte
	maxBytes      int64 // that the body of a call may have
	receivedBytes int64 // of the body
	declaredBytes int64 // by Content-Length; -1 if it is not
	windowBytes   int64 // what the client may still send
	promisedBytes int64 // what of that is beyond what it began with
	awaitedBytes  int64 // what it may send when others are done; 0 if it waits for nothing
	heldBytes     int64 // what of the body has arrived and is kept
	deadline      int64 // of the body; nanoseconds

	cancel context.CancelFunc // ends the context of a call under way; nil for none
}

// Wake implements Waker.
func (s *stream) Wake() {
	c := s.conn
	c.mu.Lock()
	s.woken = true
	c.tellSoon(s)
	c.mu.Unlock()
}

// begin adds a new stream. The caller holds mu.
func (c *conn) begin(id uint32, r *request) *stream {
	var s *stream
	if n := len(c.spare); n > 0 {
		s = c.spare[n-1]
		c.spare = c.spare[:n-1]
	} else {
		s = &stream{conn: c}
	}
	s.streamState = streamState{id: id, request: r, sendWindowBytes: c.settingsIn.streamWindowBytes}
	if s.foreign = r.call == nil; s.foreign {
		c.foreign++
	}
	c.streams[id] = s
	c.admitting = false
	c.unanswered++
	return s
}

// maxSpareStreams is how many streams a connection keeps for later ones.
const maxSpareStreams = 16

// finish removes a stream, whatever it was doing. The caller holds mu, and sends or has
// sent what the client must know.
func (c *conn) finish(s *stream) {
	if s.closed {
		return
	}
	s.closed = true
	delete(c.streams, s.id)
	if s.list != nil {
		s.list.remove(s)
	}
	c.dropRest(s)
	if !s.replied {
		c.unanswered--
	}
	if s.foreign {
		c.foreign--
	}
	if s.discards {
		c.discards--
	}
	if r := s.request; r != nil {
		c.endRequest(s, r)
	}
	if s.feed != nil && !s.asked { // or the teller closes it
		c.closeFeed(s)
	}
	c.work.room.Broadcast()
	c.times.lastUse = c.server.clock.Load()
	c.endIfDone()
}

// dropRest forgets what is left of a reply, for which feeds may have waited. The caller
// holds mu.
func (c *conn) dropRest(s *stream) {
	if len(s.rest) == 0 {
		return
	}
	c.out.unsentBytes -= int64(len(s.rest))
	s.rest = nil
	if c.stage != stageClosed {
		c.resumeHeld()
	}
}

// closeFeed has the feed closed once mu, which the caller holds, is given back.
func (c *conn) closeFeed(s *stream) {
	c.ended = append(c.ended, s.feed)
	s.feed = nil
}

// endRequest gives back what the request of a stream holds. The caller holds mu.
func (c *conn) endRequest(s *stream, r *request) {
	s.request = nil
	s.bodyFits = r.declaredBytes >= 0 && r.declaredBytes-r.receivedBytes <= r.windowBytes
	if !s.remoteEnded {
		c.uploads--
	}
	c.release(r)
	c.breakPromises(s, r)
	if r.cancel != nil {
		r.cancel()
	}
	if r.http != nil {
		r.http.abort()
	}
}
