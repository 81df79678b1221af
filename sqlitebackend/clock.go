package sqlitebackend

import (
	"sync/atomic"
	"time"
)

// Clock tells the time and wakes at a time. Tests put their own in its place.
// It must be safe for concurrent use.
type Clock interface {
	Now() time.Time
	// NewTimerAt gives a channel on which one value arrives at the given time,
	// or at once if that has passed, and a function that gives the timer up.
	NewTimerAt(at time.Time) (fired <-chan time.Time, stop func() bool)
}

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) NewTimerAt(at time.Time) (<-chan time.Time, func() bool) {
	timer := time.NewTimer(time.Until(at))
	return timer.C, timer.Stop
}

// expiryClock gives the time by which expiry is decided. It never goes back,
// even if the clock of the machine does: a key seen to be absent would come
// back to life. It is safe for concurrent use.
type expiryClock struct {
	clock    Clock
	latestMs atomic.Int64
}

// behind tells how far the clock of the machine is behind the latest time that
// was told; 0 if it is not.
func (c *expiryClock) behind() time.Duration {
	return max(0, time.UnixMilli(c.latestMs.Load()).Sub(c.clock.Now()))
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
