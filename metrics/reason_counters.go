package metrics

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/prometheus/client_golang/prometheus"
)

// otherReason stands for what is none of kvconnect.Reasons, so that there are no more labels
// than those.
const otherReason = "other"

// reasonCounters counts by reason and perhaps by something else. The counters of a reason
// come with its first failure: most of them never happen.
type reasonCounters struct {
	*prometheus.CounterVec
	hasKind bool

	// known is replaced with each addition, and read without a lock.
	known  atomic.Pointer[map[kindOfFailure]prometheus.Counter]
	adding sync.Mutex // held while known is replaced
}

// kindOfFailure is what a counter is for. kind is "" if there is nothing besides the reason.
type kindOfFailure struct{ kind, reason string }

// newReasonCounters gives counters by reason, and by what the label is for, if there is one.
func newReasonCounters(opts prometheus.CounterOpts, label ...string) *reasonCounters {
	c := &reasonCounters{CounterVec: prometheus.NewCounterVec(opts, append(label, "reason")), hasKind: len(label) > 0}
	c.known.Store(&map[kindOfFailure]prometheus.Counter{})
	return c
}

func (c *reasonCounters) of(kind, reason string) prometheus.Counter {
	if counter, found := (*c.known.Load())[kindOfFailure{kind, reason}]; found {
		return counter
	}
	return c.add(kind, reason)
}

func (c *reasonCounters) add(kind, reason string) prometheus.Counter {
	c.adding.Lock()
	defer c.adding.Unlock()
	if !slices.Contains(kvconnect.Reasons(), reason) {
		reason = otherReason
		if counter, found := (*c.known.Load())[kindOfFailure{kind, reason}]; found {
			return counter
		}
	}
	known := maps.Clone(*c.known.Load())
	labels := []string{reason}
	if c.hasKind {
		labels = []string{kind, reason}
	}
	counter := c.WithLabelValues(labels...)
	known[kindOfFailure{kind, reason}] = counter
	c.known.Store(&known)
	return counter
}
