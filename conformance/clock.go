package conformance

import (
	"sync"
	"time"
)

// Clock stands still until it is moved. A backend that takes its time from one
// expires keys exactly when a test says so. It is safe for concurrent use.
type Clock struct {
	mu     sync.Mutex
	now    time.Time                // guarded by mu
	timers map[*clockTimer]struct{} // guarded by mu
}

type clockTimer struct {
	at    time.Time
	fired chan time.Time
}

// NewClock gives a clock that shows some time in the past.
func NewClock() *Clock {
	return &Clock{now: time.UnixMilli(1_700_000_000_000), timers: make(map[*clockTimer]struct{})}
}

// Now gives the time that the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// NewTimerAt gives a channel on which one value arrives once the clock shows the
// given time, or at once if it does, and a function that gives the timer up.
func (c *Clock) NewTimerAt(at time.Time) (fired <-chan time.Time, stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	timer := &clockTimer{at: at, fired: make(chan time.Time, 1)}
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

// Move sets the clock forward or back and fires what is due.
func (c *Clock) Move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.fire()
}

// InMs gives the time d from now, in milliseconds since the Unix epoch.
func (c *Clock) InMs(d time.Duration) int64 { return c.Now().Add(d).UnixMilli() }

// fire wants mu held.
func (c *Clock) fire() {
	for timer := range c.timers {
		if !timer.at.After(c.now) {
			timer.fired <- c.now
			delete(c.timers, timer)
		}
	}
}
