package transport

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
)

// watchdog looks after all connections of a server now and then: what must not take for
// ever ends there. No connection needs timers for that.
type watchdog struct {
	tick    atomic.Int64 // nanoseconds
	sooner  chan struct{}
	start   sync.Once
	stop    sync.Once // closes stopped
	stopped chan struct{}
}

func newWatchdog(tick time.Duration) *watchdog {
	d := &watchdog{sooner: make(chan struct{}, 1), stopped: make(chan struct{})}
	d.tick.Store(tick.Nanoseconds())
	return d
}

func (d *watchdog) run(s *Server) {
	ticker := time.NewTicker(time.Duration(d.tick.Load()))
	defer ticker.Stop()
	for {
		select {
		case <-d.stopped:
			return
		case <-d.sooner:
			ticker.Reset(time.Duration(d.tick.Load()))
			continue
		case now := <-ticker.C:
			s.setClock(now)
		}
		s.mu.Lock()
		conns := make([]*conn, 0, len(s.conns))
		for c := range s.conns {
			conns = append(conns, c)
		}
		s.mu.Unlock()
		for _, c := range conns {
			c.check(time.Duration(d.tick.Load()))
		}
	}
}

// setClock sets the time that is good enough for timeouts and dates. Timeouts do not go by
// the clock of the machine: when that is set, no connection must break.
func (s *Server) setClock(now time.Time) {
	s.clock.Store(1 + now.Sub(s.started).Nanoseconds()) // 0 is no time
	if now.Unix() == s.dated {
		return
	}
	s.dated = now.Unix()
	field := appendLiteral(nil, staticDate, now.UTC().Format(http.TimeFormat))
	s.date.Store(&field)
}

// keepAliveTicks is how many ticks there are in the silence of a feed at least.
const keepAliveTicks = 4

// dogTick has the watchdog look often enough for the silence of a feed.
func (s *Server) dogTick(silence time.Duration) {
	tick := max(time.Millisecond, silence/keepAliveTicks).Nanoseconds()
	if s.dog.tick.Load() <= tick {
		return
	}
	s.dog.tick.Store(tick)
	select {
	case s.dog.sooner <- struct{}{}:
	default:
	}
}

// times are the moments that the watchdog compares, in nanoseconds by the clock of the
// server, which nobody sets; 0 is none. They are guarded by the mu of the connection.
type times struct {
	lastRead     int64 // something arrived
	lastUse      int64 // a stream ended
	partialSince int64 // what has begun to arrive began, or the client's settings are awaited
	// partialHeader tells that this is a header or the settings. To send a frame may take
	// longer while there are streams: those have times of their own, and a connection with
	// requests under way is not broken because of a network that was away for a moment.
	partialHeader bool
	pingSent      int64
	sendingSince  int64
	drainSince    int64

	nextKeepAlive  int64
	nextStall      int64 // streams are looked at
	lastGoAwaySent bool
}

func (t *times) begin(now int64) { t.lastRead, t.lastUse, t.partialSince = now, now, now }

// partial notes what has begun to arrive: a frame, of a header or another one. advanced
// tells that a frame has come whole since it was called last, so that the one which has
// begun is another.
func (t *times) partial(frame, header, advanced bool, now int64) {
	t.partialHeader = header
	switch {
	case !frame && !header:
		t.partialSince = 0
	case t.partialSince == 0, advanced && !header:
		t.partialSince = now
	}
}

// keepAliveAt has feeds looked at no later than at a moment.
func (t *times) keepAliveAt(at int64) {
	if t.nextKeepAlive == 0 || at < t.nextKeepAlive {
		t.nextKeepAlive = at
	}
}

// check ends what has taken too long on a connection.
func (c *conn) check(tick time.Duration) {
	now, limits := c.server.clock.Load(), c.server.limits
	over := func(since int64, limit time.Duration) bool { return since != 0 && now-since > limit.Nanoseconds() }
	c.mu.Lock()
	idle := len(c.streams) == 0 && !c.admitting
	switch {
	case c.out.sending && over(c.times.sendingSince, limits.write),
		c.out.sending && over(c.times.drainSince, drainWriteTimeout) && over(c.times.sendingSince, drainWriteTimeout):
		c.breakOff()
	case c.stage == stageClosed:
	case over(c.times.partialSince, limits.readHeader) && (idle || c.times.partialHeader):
		c.endBy(http2.ErrCodeProtocol)
	case c.isDead(now):
		c.breakOff()
	case c.stage == stageDraining:
		c.checkDrain(now)
	case idle && over(c.times.lastUse, limits.idle):
		c.beginDrain()
		c.sendLastGoAway()
	}
	if c.times.nextKeepAlive != 0 && c.times.nextKeepAlive <= now+tick.Nanoseconds() {
		c.keepFeedsAlive(now + tick.Nanoseconds())
	}
	if c.stage != stageClosed {
		c.endStalled(now)
	}
	c.endDiscards(now)
	late := c.lateUploads(now)
	c.flush()
	c.unlock()
	for r, s := range late {
		c.refuse(s, r, ErrBodyTimeout)
	}
	if len(late) > 0 {
		c.mu.Lock()
		c.flush()
		c.unlock()
	}
}

// isDead asks a client that was silent for long for a sign of life, and tells whether it
// gave none. The caller holds mu.
func (c *conn) isDead(now int64) bool {
	limits := c.server.limits
	switch {
	case len(c.streams) == 0 || now-c.times.lastRead <= limits.pingAfter.Nanoseconds():
		c.times.pingSent = 0
	case c.times.pingSent < c.times.lastRead:
		c.times.pingSent = now
		c.appendPing(0, [8]byte{})
	default:
		return now-c.times.pingSent > limits.ping.Nanoseconds()
	}
	return false
}

// checkDrain goes on with a drain whose client does not do its part. The caller holds mu.
func (c *conn) checkDrain(now int64) {
	if now-c.times.drainSince <= stalledFeedTimeout.Nanoseconds() {
		return
	}
	unread := now - drainWriteTimeout.Nanoseconds()
	for _, s := range c.streams {
		switch {
		case s.feed != nil,
			// While the output is full, check looks at how it is taken.
			len(s.rest) > 0 && !c.out.isFull() && max(s.lastSent, c.times.drainSince) < unread:
			c.reset(s, http2.ErrCodeCancel)
		}
	}
	c.sendLastGoAway()
}

// endBy ends the connection for something that the client has done. The caller holds mu.
func (c *conn) endBy(code http2.ErrCode) {
	c.appendGoAway(c.lastID, code)
	c.times.lastGoAwaySent = true // what is in the buffer is not served any more
	c.stage = stageClosed
	c.dropStreams()
	_ = c.socket.SetReadDeadline(time.Now()) // ends the goroutine of the connection
}

// endDiscards ends the streams of which the rest of the body has not come in time, for which
// nobody waits. The caller holds mu.
func (c *conn) endDiscards(now int64) {
	if c.discards == 0 {
		return
	}
	limit := c.server.limits.body
	if c.stage != stageServing {
		limit = stalledFeedTimeout
	}
	for _, s := range c.streams {
		if s.discards && now-s.lastSent > limit.Nanoseconds() {
			c.reset(s, http2.ErrCodeNo)
		}
	}
}

// lateUploads gives the calls whose bodies have not arrived in time. The caller holds mu.
// Handlers of net/http see to that themselves.
func (c *conn) lateUploads(now int64) map[*request]*stream {
	if c.uploads == 0 {
		return nil
	}
	late := make(map[*request]*stream)
	for _, s := range c.streams {
		if r := s.request; r != nil && r.call != nil && !s.remoteEnded && r.deadline < now {
			late[r] = s
		}
	}
	return late
}
