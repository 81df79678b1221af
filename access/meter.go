package access

import (
	"math"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Meter counts what is used of a token or of a database. Its methods are safe for
// concurrent use, and a nil Meter allows everything.
type Meter struct {
	limits  atomic.Pointer[meteredLimits]
	watches atomic.Int64
}

// meteredLimits is limits with what watches over them.
type meteredLimits struct {
	Limits
	requests *rate.Limiter // nil for no bound
}

// maxRetryAfterNs keeps the wait for a tiny limit within a time.Duration: 146 years.
const maxRetryAfterNs = 1 << 62

// NewMeter gives a Meter with the limits.
func NewMeter(limits Limits) *Meter {
	m := new(Meter)
	m.SetLimits(limits)
	return m
}

// SetLimits changes the limits from now on. Watches that are open stay open, and requests
// that were counted stay so unless their limit changes.
func (m *Meter) SetLimits(limits Limits) {
	l := &meteredLimits{Limits: limits}
	before := m.limits.Load()
	switch {
	case before != nil && before.RequestsPerSecond == limits.RequestsPerSecond:
		l.requests = before.requests
	case limits.RequestsPerSecond > 0:
		burst := max(1, int(math.Ceil(min(limits.RequestsPerSecond, math.MaxInt32))))
		l.requests = rate.NewLimiter(rate.Limit(limits.RequestsPerSecond), burst)
	}
	m.limits.Store(l)
}

// Limits gives the limits in force.
func (m *Meter) Limits() Limits {
	if m == nil {
		return Limits{}
	}
	return m.limits.Load().Limits
}

// Request counts a request. If it is one too many, it is not counted, and may come after
// the given time.
func (m *Meter) Request(now time.Time) (retryAfter time.Duration) {
	if m == nil {
		return 0
	}
	limiter := m.limits.Load().requests
	if limiter == nil || limiter.AllowN(now, 1) {
		return 0
	}
	missing := 1 - limiter.TokensAt(now)
	waitNs := missing / float64(limiter.Limit()) * float64(time.Second)
	return max(time.Duration(min(waitNs, maxRetryAfterNs)), time.Nanosecond)
}

// OpenWatch counts a watch, unless it is one too many. CloseWatch must follow if it is
// counted.
func (m *Meter) OpenWatch() bool {
	if m == nil {
		return true
	}
	limit := int64(m.limits.Load().Watches)
	for {
		n := m.watches.Load()
		if limit > 0 && n >= limit {
			return false
		}
		if m.watches.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// CloseWatch takes back an OpenWatch.
func (m *Meter) CloseWatch() {
	if m != nil {
		m.watches.Add(-1)
	}
}

// Watches is the number of open watches.
func (m *Meter) Watches() int {
	if m == nil {
		return 0
	}
	return int(m.watches.Load())
}
