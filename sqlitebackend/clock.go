package sqlitebackend

import (
	"sync/atomic"
	"time"
)

// Clock tells the time and wakes at a time. Tests put their own in its place.
// It must be safe for concurrent use.
type Clock interface {
	Now() time.Time
	// NewTimer gives a channel on which one value arrives after d, and a
	// function that gives the timer up.
	NewTimer(d time.Duration) (fired <-chan time.Time, stop func() bool)
}

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) NewTimer(d time.Duration) (<-chan time.Time, func() bool) {
	timer := time.NewTimer(d)
	return timer.C, timer.Stop
}

// expiryClock gives the time by which expiry is decided. It never goes back,
// even if the clock of the machine does: a key seen to be absent would come
// back to life. It is safe for concurrent use.
type expiryClock struct {
	clock    Clock
	latestMs atomic.Int64
}

// nowMs gives milliseconds since the Unix epoch.
func (c *expiryClock) nowMs() int64 {
	now := c.clock.Now().UnixMilli()
	for {
		latest := c.latestMs.Load()
		if now <= latest {
			return latest
		}
		if c.latestMs.CompareAndSwap(latest, now) {
			return now
		}
	}
}
