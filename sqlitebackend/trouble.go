package sqlitebackend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
)

const (
	// probePause is the time between two attempts to find out whether the disk is well again.
	probePause = time.Second

	// troubleLogPause is the least time between two lines of the log that tell of trouble
	// which goes on, or comes back.
	troubleLogPause = time.Minute
)

// trouble is what is known of a disk that fails. It begins with an operation that fails with
// one of diskErrors, and ends with a probe that succeeds, which a goroutine makes from time
// to time meanwhile. The log is told of both, and not of each operation. It is safe for
// concurrent use.
type trouble struct {
	clock  Clock
	logger *slog.Logger
	// probe tries whether the disk is well, and gives settle the outcome before anybody else
	// can write. If it cannot try, it fails.
	probe func(ctx context.Context, settle func(error)) error

	// telling is held from a change until the log was told of it, and is taken before mu: the
	// log may wait, but nobody who asks waits for it.
	telling sync.Mutex

	mu           sync.Mutex
	cause        error              // guarded by mu, as are all below; nil while all is well
	since        time.Time          // when it began
	failedWrites int                // since then
	isLogged     bool               // the log knows of it
	loggedAt     time.Time          // when the log was told something last
	stopProbes   context.CancelFunc // nil until there are any
	isClosed     bool

	probing sync.WaitGroup // has the goroutine that probes
}

// newTrouble gives one that has not begun; close must be called in the end.
func newTrouble(clock Clock, logger *slog.Logger, probe func(context.Context, func(error)) error) *trouble {
	return &trouble{clock: clock, logger: logger, probe: probe}
}

// current is the error because of which writes fail; nil if they do not. It wraps one of
// diskErrors.
func (t *trouble) current() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.cause
}

// isOn tells whether there is one.
func (t *trouble) isOn() bool { return t.current() != nil }

// note tells of so many writes that failed, or of something else that did if there are none.
// It does nothing for errors of which none of diskErrors is the cause.
func (t *trouble) note(err error, writes int) {
	sentinel := diskErrorOf(err)
	if sentinel == nil {
		return
	}
	if !errors.Is(err, sentinel) {
		err = fmt.Errorf("%w (%w)", sentinel, err)
	}
	t.telling.Lock()
	defer t.telling.Unlock()
	if line := t.noted(sentinel, err, writes); line != nil {
		line()
	}
}

// noted is note without the log. It gives what tells that, nil for nothing.
func (t *trouble) noted(sentinel, err error, writes int) (line func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.isClosed {
		return nil
	}
	if t.cause == nil {
		t.since, t.failedWrites, t.isLogged = t.clock.Now(), 0, false
		ctx, cancel := context.WithCancel(context.Background())
		t.stopProbes = cancel
		// What a file that was moved lacks is written to it without delay.
		at := t.since
		if !errors.Is(sentinel, protocol.ErrFileMoved) {
			at = at.Add(probePause)
		}
		t.probing.Go(func() { t.probeFrom(ctx, at) })
	}
	t.cause = err
	t.failedWrites += writes
	return t.line()
}

// line gives what tells the log of the trouble; nil if the log was told something a short
// time ago. The caller holds mu.
func (t *trouble) line() func() {
	now := t.clock.Now()
	if !t.loggedAt.IsZero() && now.Sub(t.loggedAt) < troubleLogPause {
		return nil
	}
	t.loggedAt = now
	cause, lasted, failedWrites := t.cause, now.Sub(t.since), t.failedWrites
	if !t.isLogged {
		t.isLogged = true
		return func() { t.logger.Error("writes fail", "error", cause) }
	}
	return func() {
		t.logger.Error("writes still fail", "for", lasted.String(), "failed_writes", failedWrites, "error", cause)
	}
}

// probeFrom probes at the given time and after each pause, until a probe succeeds or ctx
// ends.
func (t *trouble) probeFrom(ctx context.Context, at time.Time) {
	for isWell := false; !isWell; at = t.clock.Now().Add(probePause) {
		fired, stop := t.clock.NewTimerAt(at)
		select {
		case <-ctx.Done():
			stop()
			return
		case <-fired:
		}
		err := t.probe(ctx, func(err error) { isWell = t.settle(err) })
		if err != nil && (ctx.Err() != nil || errors.Is(err, protocol.ErrClosed)) {
			return
		}
	}
}

// settle takes in the outcome of a probe, and reports whether the trouble is over.
func (t *trouble) settle(err error) bool {
	t.telling.Lock()
	defer t.telling.Unlock()
	if line := t.settled(err); line != nil {
		line()
	}
	return err == nil
}

// settled is settle without the log. It gives what tells that, nil for nothing.
func (t *trouble) settled(err error) (line func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		if diskErrorOf(err) != nil {
			t.cause = err
		}
		return t.line()
	}
	t.cause = nil
	t.stopProbes()
	if !t.isLogged {
		return nil
	}
	t.loggedAt = t.clock.Now()
	lasted, failedWrites := t.loggedAt.Sub(t.since), t.failedWrites
	return func() { t.logger.Info("writes go on again", "after", lasted.String(), "failed_writes", failedWrites) }
}

// close ends the probes and waits for the one under way. Trouble does not begin any more.
func (t *trouble) close() {
	t.mu.Lock()
	t.isClosed = true
	if t.stopProbes != nil {
		t.stopProbes()
	}
	t.mu.Unlock()
	t.probing.Wait()
}
