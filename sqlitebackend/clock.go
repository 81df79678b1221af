package sqlitebackend

import (
	"sync"
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
	clock Clock

	mu       sync.Mutex
	latestMs int64 // guarded by mu: the latest time that was told
	heldMs   int64 // guarded by mu: a time that is not to be reached yet; 0 for none
}

// nowMs gives milliseconds since the Unix epoch.
func (c *expiryClock) nowMs() int64 {
	now := c.clock.Now().UnixMilli()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.heldMs > 0 {
		now = min(now, c.heldMs-1)
	}
	c.latestMs = max(c.latestMs, now)
	return c.latestMs
}

// hold keeps the time below expiryMs until release is called: a write that found a
// key alive which expires then is being committed, and nobody may see the key
// expire before they see that write. It reports false if somebody may have seen
// it already; then the key is gone for the write too.
func (c *expiryClock) hold(expiryMs int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.latestMs >= expiryMs {
		return false
	}
	if c.heldMs == 0 || expiryMs < c.heldMs {
		c.heldMs = expiryMs
	}
	return true
}

// release lets the time go on.
func (c *expiryClock) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heldMs = 0
}

// behind tells how far the clock of the machine is behind the latest time that
// was told; 0 if it is not.
func (c *expiryClock) behind() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(0, time.UnixMilli(c.latestMs).Sub(c.clock.Now()))
}
