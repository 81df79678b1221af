package transport

import (
	"runtime"
	"sync"
	"time"
)

// tellers ask feeds for what is new and send it. There are few: a change that a hundred
// thousand feeds have to be told of must leave processors to the requests that come
// meanwhile. Connections take turns.
type tellers struct {
	mu      sync.Mutex
	waiting []*conn // guarded by mu, as is running
	running int
}

// maxTellers is how many goroutines tell at once.
func maxTellers() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// add has a connection told, and reports whether that takes a new goroutine.
func (t *tellers) add(c *conn) (start bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting = append(t.waiting, c)
	start = t.running < maxTellers()
	if start {
		t.running++
	}
	return start
}

// next gives the connection whose turn it is. If there is none the goroutine must end.
func (t *tellers) next() *conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.waiting) == 0 {
		t.running--
		t.waiting = nil
		return nil
	}
	c := t.waiting[0]
	t.waiting[0] = nil
	t.waiting = t.waiting[1:]
	return c
}

func (t *tellers) run() {
	for c := t.next(); c != nil; c = t.next() {
		if c.tell() {
			t.mu.Lock()
			t.waiting = append(t.waiting, c)
			t.mu.Unlock()
			runtime.Gosched()
		}
	}
}

// beginFeed sends the first piece of a reply that has a feed. The caller holds mu.
func (c *conn) beginFeed(s *stream, reply Reply) {
	s.feed = reply.Feed
	s.lastSent = c.server.clock.Load()
	_, silence := reply.Feed.KeepAlive()
	c.times.keepAliveAt(s.lastSent + silence.Nanoseconds())
	c.server.dogTick(silence)
	if c.stage != stageServing || c.inputEnded {
		s.last = true
	}
	if len(reply.Body) > 0 || s.last {
		c.sendLater(s, reply.Body)
		c.fill()
		return
	}
	c.tellSoon(s)
}

// tellSoon has a feed asked for news, unless something keeps it from being told; whatever
// that is calls tellSoon once it is over. The caller holds mu.
func (c *conn) tellSoon(s *stream) {
	switch {
	case s.feed == nil || !s.woken || s.asked || s.list != nil || s.last || s.closed:
		return
	case len(s.rest) > 0 || s.sendWindowBytes <= 0:
		return
	case !c.feedMayGoOn(s):
		c.hold(s)
		return
	}
	c.toTell.push(s)
	if !c.telling {
		c.telling = true
		if c.server.tellers.add(c) {
			c.server.running.Go(c.server.tellers.run)
		}
	}
}

// tell asks some feeds of the connection, and reports whether there are more.
func (c *conn) tell() (more bool) {
	c.mu.Lock()
	defer c.unlock()
	for range tellsAtATime {
		s := c.toTell.pop()
		if s == nil {
			break
		}
		if s.last {
			c.out.ready.push(s)
		} else {
			c.ask(s)
		}
	}
	c.flush()
	c.telling = !c.toTell.isEmpty()
	return c.telling
}

// ask asks one feed. The caller holds mu, which is given back meanwhile.
func (c *conn) ask(s *stream) {
	s.woken, s.asked = false, true
	feed := s.feed
	c.unlock()
	piece, err := c.server.next(c.ctx, feed)
	c.mu.Lock()
	s.asked = false
	switch {
	case s.closed:
		c.closeFeed(s)
	case err != nil:
		s.last = true
		c.out.ready.push(s)
	case s.last: // the server drains
		c.out.ready.push(s)
	case len(piece) > 0:
		c.sendLater(s, piece)
	default:
		c.tellSoon(s)
	}
}

// keepFeedsAlive sends something on each feed that would be silent for too long by a
// moment. The caller holds mu.
func (c *conn) keepFeedsAlive(by int64) {
	c.times.nextKeepAlive = 0
	for _, s := range c.streams {
		if s.feed == nil || s.last {
			continue
		}
		piece, silence := s.feed.KeepAlive()
		due := s.lastSent + silence.Nanoseconds()
		if due <= by && s.list == nil && !s.asked && len(s.rest) == 0 && s.sendWindowBytes > 0 {
			c.sendLater(s, piece)
			due = s.lastSent + silence.Nanoseconds()
		}
		c.times.keepAliveAt(max(due, c.server.clock.Load()+time.Millisecond.Nanoseconds()))
	}
}

// endFeeds ends the bodies of all feeds. The caller holds mu.
func (c *conn) endFeeds() {
	for _, s := range c.streams {
		if s.feed == nil || s.last {
			continue
		}
		s.last = true
		if s.list == &c.out.held {
			c.out.held.remove(s)
		} else if s.list != nil || s.asked || len(s.rest) > 0 {
			continue // it is ended when that is done
		}
		c.out.ready.push(s)
	}
}
