package bench

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// window is the time in which a workload is measured. An operation counts if it began
// after the start; one under way at the end is waited for. A worker whose operations
// are so slow that none began in the window makes one more.
type window struct{ start, end time.Time }

func newWindow(warmup, duration time.Duration) window {
	start := time.Now().Add(warmup)
	return window{start: start, end: start.Add(duration)}
}

// recorder keeps what one worker has seen. Only done may be read while it works.
type recorder struct {
	window    window
	histogram Histogram
	errors    errorCounts
	conflicts uint64
	last      time.Time // when the last operation ended

	done   atomic.Uint64
	failed atomic.Uint64
}

func newRecorder(w window) *recorder { return &recorder{window: w, errors: make(errorCounts)} }

// record takes an operation with its outcome. A failed one has no duration worth
// counting.
func (r *recorder) record(begun, ended time.Time, conflicts uint64, err error) {
	if begun.Before(r.window.start) {
		return
	}
	r.conflicts += conflicts
	r.last = ended
	if err != nil {
		r.errors.add(err)
		r.failed.Add(1)
		return
	}
	r.histogram.Record(ended.Sub(begun))
	r.done.Add(1)
}

// wantsMore tells whether the worker is to begin another operation.
func (r *recorder) wantsMore(now time.Time) bool {
	return now.Before(r.window.end) || r.last.IsZero()
}

// outcome is what a workload has come to on one server in one round.
type outcome struct {
	histogram Histogram
	errors    errorCounts
	conflicts uint64
	elapsed   time.Duration
	cpu       cpuTimes
	fanOut    *fanOutResult // nil for other workloads
}

// collect puts together what the workers have seen.
func collect(w window, recorders []*recorder) *outcome {
	o := &outcome{errors: make(errorCounts)}
	last := w.start
	for _, r := range recorders {
		o.histogram.Merge(&r.histogram)
		o.errors.merge(r.errors)
		o.conflicts += r.conflicts
		if r.last.After(last) {
			last = r.last
		}
	}
	o.elapsed = last.Sub(w.start)
	return o
}

// worker makes one operation after another.
type worker interface {
	// operate makes one operation. conflicts tells how many atomic writes of it were
	// refused by a check before one was committed.
	operate(ctx context.Context) (conflicts uint64, err error)
}

// pauseAfterError keeps workers from doing nothing but fail, at full speed.
const pauseAfterError = 20 * time.Millisecond

// work has each worker make operations until the window ends, or ctx does. Those under
// way then get a time to end.
func work(ctx context.Context, w window, timeout time.Duration, workers []worker, recorders []*recorder) {
	calls, release := outlive(ctx, w.end, timeout)
	defer release()
	var running sync.WaitGroup
	for i, one := range workers {
		running.Go(func() {
			begun := time.Now()
			for recorders[i].wantsMore(begun) && !interrupted(ctx) {
				conflicts, err := one.operate(calls)
				ended := time.Now()
				if interrupted(calls) && interrupted(ctx) {
					return // the user does not want to wait
				}
				recorders[i].record(begun, ended, conflicts, err)
				if err != nil {
					pause(ctx, pauseAfterError)
					ended = time.Now()
				}
				begun = ended
			}
		})
	}
	running.Wait()
}

// graceOnInterrupt is what the calls that are under way when the user interrupts get to
// end.
const graceOnInterrupt = 2 * time.Second

// outlive gives a context for the calls of a window. It ends a timeout after the window,
// or a while after ctx.
func outlive(ctx context.Context, end time.Time, timeout time.Duration) (calls context.Context, release func()) {
	calls, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	late := time.AfterFunc(time.Until(end)+timeout, func() { cancel(errLate) })
	stop := context.AfterFunc(ctx, func() { late.Reset(graceOnInterrupt) })
	return calls, func() {
		stop()
		late.Stop()
		cancel(nil)
	}
}

// interrupted tells that the user wants no more.
func interrupted(ctx context.Context) bool { return ctx.Err() != nil }

// pause waits, but not longer than ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
