package sqlitebackend_test

import (
	"sync"
	"time"
)

// fakeClock stands still until it is moved.
type fakeClock struct {
	mu     sync.Mutex
	now    time.Time // guarded by mu
	timers map[*fakeTimer]struct{}
}

type fakeTimer struct {
	at    time.Time
	fired chan time.Time
}

func newFakeClock() *fakeClock {
	return &fakeClock{now: time.UnixMilli(1_700_000_000_000), timers: make(map[*fakeTimer]struct{})}
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) NewTimerAt(at time.Time) (<-chan time.Time, func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	timer := &fakeTimer{at: at, fired: make(chan time.Time, 1)}
	c.timers[timer] = struct{}{}
	c.fire()
	return timer.fired, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		_, waiting := c.timers[timer]
		delete(c.timers, timer)
		return waiting
	}
}

// move sets the clock forward or back and fires what is due.
func (c *fakeClock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.fire()
}

// inMs gives the time d from now, as writes take it.
func (c *fakeClock) inMs(d time.Duration) int64 { return c.Now().Add(d).UnixMilli() }

// fire wants mu held.
func (c *fakeClock) fire() {
	for timer := range c.timers {
		if !timer.at.After(c.now) {
			timer.fired <- c.now
			delete(c.timers, timer)
		}
	}
}
