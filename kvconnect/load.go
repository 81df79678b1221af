package kvconnect

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
)

const (
	// overloadRetryAfter is when a client may come back that found no place.
	overloadRetryAfter = time.Second

	overloadLogInterval = time.Minute
)

// errOverloaded is a 503: another time there is a place.
var errOverloaded = fmt.Errorf("%w: the server has too many requests to serve", protocol.ErrUnavailable)

// load bounds how many requests are served at once. Writes have places of their own: when
// the disk lets all of them wait, reads go on. It is safe for concurrent use.
type load struct {
	max    int64 // of each kind; 0 for no bound
	now    func() time.Time
	logger *slog.Logger

	writes, others atomic.Int64

	mu       sync.Mutex
	refused  int       // guarded by mu: since the log was told
	loggedAt time.Time // guarded by mu
}

func (l *load) counter(writes bool) *atomic.Int64 {
	if writes {
		return &l.writes
	}
	return &l.others
}

// enter takes a place, for the caller to leave, or fails if there is none.
func (l *load) enter(writes bool) error {
	counter := l.counter(writes)
	// Not more than are served are ever counted, or those that are refused would keep others out.
	for n := counter.Load(); l.max <= 0 || n < l.max; n = counter.Load() {
		if counter.CompareAndSwap(n, n+1) {
			return nil
		}
	}
	l.noteRefused()
	return newTooSoonError(errOverloaded, overloadRetryAfter)
}

func (l *load) leave(writes bool) { l.counter(writes).Add(-1) }

// noteRefused tells the log now and then.
func (l *load) noteRefused() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused++
	if now := l.now(); now.Sub(l.loggedAt) >= overloadLogInterval {
		l.logger.Warn("requests are refused, too many are being served", "count", l.refused, "max_concurrent_requests", l.max)
		l.refused, l.loggedAt = 0, now
	}
}
