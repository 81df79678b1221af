package bench

import (
	"context"
	"encoding/binary"
	"sync"
	"time"
)

// numberBytes is what the number of a write takes at the start of a watched value.
const numberBytes = 8

// fanOut is one write at a time with the watchers that are to see it. A write is made when
// all watchers have seen the one before, so that each is seen by each: a server may leave
// states out that nobody waited for.
type fanOut struct {
	all     chan struct{} // gets a token when all have seen the write; room for one
	broken  chan struct{} // closed when a watch has ended by itself
	breakIt sync.Once
	err     error // why a watch has ended; set before broken is closed

	mu      sync.Mutex // guards what follows, and the recorders of the watchers
	number  uint64     // of the write under way
	sent    time.Time  // when it was sent; zero for the one before the watches began
	missing int        // watchers that have not seen it
}

func newFanOut() *fanOut {
	return &fanOut{all: make(chan struct{}, 1), broken: make(chan struct{})}
}

func (f *fanOut) begin(number uint64, sent time.Time, watchers int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-f.all: // of a write that was given up; under the mutex, so that no other follows
	default:
	}
	f.number, f.sent, f.missing = number, sent, watchers
}

// see has a watcher see a write, and records that if the watcher has a recorder.
func (f *fanOut) see(w *watcher, number uint64, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if number != f.number || number == w.seen || f.missing == 0 {
		return // told twice, or too late
	}
	w.seen = number
	if w.recorder != nil && !f.sent.IsZero() {
		w.recorder.record(f.sent, now, 0, nil)
	}
	f.missing--
	if f.missing == 0 {
		f.all <- struct{}{}
	}
}

// await waits until all watchers have seen the write, or for a while none has that had not.
// It gives the number of those that have not, with the reason.
func (f *fanOut) await(ctx context.Context, timeout time.Duration) (missing int, err error) {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for before := f.left(); err == nil; {
		select {
		case <-f.all:
			return 0, nil
		case <-f.broken:
			err = f.err
		case <-ctx.Done():
			err = context.Cause(ctx)
		case <-timer.C:
			if left := f.left(); left < before {
				before = left
				timer.Reset(timeout)
			} else {
				err = errLate
			}
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	missing, f.missing = f.missing, 0
	return missing, err
}

// left tells how many watchers have not seen the write.
func (f *fanOut) left() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.missing
}

// fail tells that a watch has ended.
func (f *fanOut) fail(err error) {
	f.breakIt.Do(func() {
		f.err = err
		close(f.broken)
	})
}

// isBroken tells whether a watch has ended.
func (f *fanOut) isBroken() bool {
	select {
	case <-f.broken:
		return true
	default:
		return false
	}
}

// numberIn gives the number that a watched value holds.
func numberIn(value []byte) (number uint64, ok bool) {
	if len(value) < numberBytes {
		return 0, false
	}
	return binary.LittleEndian.Uint64(value), true
}
