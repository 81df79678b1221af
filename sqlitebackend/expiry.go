package sqlitebackend

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend/internal/statement"
)

const (
	// announcedAtOnce bounds the memory for keys that expire at the same time.
	announcedAtOnce = 1000

	// A sweep deletes some keys at a time, as many as take about sweepTime, so that
	// writes get their turn in between.
	sweepTime    = 5 * time.Millisecond
	minSweepKeys = 16
	maxSweepKeys = 4096

	// maxExpiryPause bounds the sleep, so that keys written by other processes
	// and jumps of the clock are found.
	maxExpiryPause = time.Minute

	// clockTolerance is how far the clock may go back without a word.
	clockTolerance = 5 * time.Second

	// expiryRetryPause is the pause after a failure.
	expiryRetryPause = time.Second
)

// expiryLoop calls a function at each moment at which a key expires. It is safe
// for concurrent use.
type expiryLoop struct {
	clock  Clock
	logger *slog.Logger
	// expire deals with all that has expired and gives the time of the next
	// expiry in milliseconds since the Unix epoch; 0 for none.
	expire func(context.Context) (nextMs int64, err error)

	mu        sync.Mutex
	wantsAtMs int64         // guarded by mu: earliest time asked for since the last run; -1 for none
	asked     chan struct{} // has room for one token

	cancel context.CancelFunc
	done   chan struct{}
}

func newExpiryLoop(clock Clock, expire func(context.Context) (int64, error), logger *slog.Logger) *expiryLoop {
	return &expiryLoop{
		clock: clock, logger: logger, expire: expire,
		wantsAtMs: -1, asked: make(chan struct{}, 1),
		done: make(chan struct{}),
	}
}

// start lets the loop run; close must be called in the end.
func (l *expiryLoop) start() {
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	go l.loop(ctx)
}

// wakeAt makes the loop run at the given time or earlier.
func (l *expiryLoop) wakeAt(atMs int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wantsAtMs >= 0 && l.wantsAtMs <= atMs {
		return
	}
	l.wantsAtMs = atMs
	select {
	case l.asked <- struct{}{}:
	default:
	}
}

func (l *expiryLoop) takeWanted() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	wanted := l.wantsAtMs
	l.wantsAtMs = -1
	return wanted
}

// close stops the loop and waits for it.
func (l *expiryLoop) close() {
	l.cancel()
	<-l.done
}

func (l *expiryLoop) loop(ctx context.Context) {
	defer close(l.done)
	next := l.clock.Now().Add(maxExpiryPause)
	for {
		fired, stop := l.clock.NewTimerAt(next)
		select {
		case <-ctx.Done():
			stop()
			return
		case <-l.asked:
			stop()
			if wanted := l.takeWanted(); wanted >= 0 && time.UnixMilli(wanted).Before(next) {
				next = time.UnixMilli(wanted)
			}
		case <-fired:
			next = l.run(ctx)
		}
	}
}

// run deals with what has expired and gives the time for the next run.
func (l *expiryLoop) run(ctx context.Context) time.Time {
	now := l.clock.Now()
	nextMs, err := l.expire(ctx)
	switch {
	case ctx.Err() != nil, errors.Is(err, protocol.ErrClosed):
		return now.Add(maxExpiryPause)
	case diskErrorOf(err) != nil: // of which the log is told once
		return now.Add(expiryRetryPause)
	case err != nil:
		l.logger.Error("expiry failed", "error", err)
		return now.Add(expiryRetryPause)
	case nextMs > 0 && nextMs < now.Add(maxExpiryPause).UnixMilli():
		return time.UnixMilli(nextMs)
	default:
		return now.Add(maxExpiryPause)
	}
}

// warnIfClockWentBack tells of a clock that was ahead and was put right: until it
// catches up, new keys expire as much too early.
func (b *Backend) warnIfClockWentBack() {
	if behind := b.clock.behind(); behind > clockTolerance {
		b.logger.Warn("the clock went back, expiry goes by the time it showed before", "behind", behind.String())
	}
}

// sweepExpired wakes the watchers of what has expired and deletes some of it. They need
// not wait for that: reads leave it out by themselves, and a commit takes its time where
// the disk is busy.
func (b *Backend) sweepExpired(ctx context.Context) (nextMs int64, err error) {
	if _, err := b.announceExpired(ctx); err != nil {
		return 0, err
	}
	if b.writer.trouble.isOn() {
		return b.clock.nowMs() + expiryRetryPause.Milliseconds(), nil // the file has what expired a little longer
	}
	var begun time.Time
	var swept sweep
	var group *groupTx
	err = b.writer.do(ctx, 0, func(tx *groupTx) (err error) {
		begun, group = time.Now(), tx
		if swept, err = tx.deleteExpired(b.sweepKeys); err != nil {
			return err
		}
		nextMs, _, err = tx.conn.number(selectEarliestExpiry)
		return err
	})
	if err != nil {
		return 0, mark("sweep expired keys", err)
	}
	// With the commit, which takes longer the more pages were changed.
	b.sweepKeys = nextSweepKeys(swept.keys, b.sweepKeys, time.Since(begun), len(group.changedKeys)-swept.keys)
	if swept.keys > 0 {
		b.observer.Swept(swept.keys, swept.lag)
	}
	return nextMs, nil
}

// sweep is what deleteExpired has done.
type sweep struct {
	keys int           // that were deleted
	lag  time.Duration // since the first of them expired
}

// deleteExpired deletes up to limit keys, those first that expired first.
func (tx *groupTx) deleteExpired(limit int64) (sweep, error) {
	earliestMs, found, err := tx.conn.number(selectEarliestExpiry)
	if err != nil || !found || earliestMs > tx.nowMs {
		return sweep{}, err
	}
	tx.nextVersion()
	rows, err := tx.change(deleteExpired, statement.Args{Integers: [statement.MaxIntegers]int64{tx.nowMs, limit}}, maxSweepKeys)
	if err != nil {
		return sweep{}, err
	}
	for range rows.Count {
		if key, ok := rows.Blob(); ok {
			tx.changed(key, 0)
		}
	}
	return sweep{keys: rows.Count, lag: time.Duration(tx.nowMs-earliestMs) * time.Millisecond}, nil
}

// nextSweepKeys gives the number of keys to delete at once, after it took some time for
// those that were asked for, together with the other keys that the group changed. It is
// more than those, whatever the time: if all that is written expires, and writers leave
// no pause, the file would grow for as long as they go on.
func nextSweepKeys(deleted int, asked int64, took time.Duration, others int) int64 {
	switch least := min(max(minSweepKeys, 2*int64(others)), maxSweepKeys); {
	case took > sweepTime || asked < least:
		return max(asked/2, least)
	case took < sweepTime/4 && int64(deleted) == asked:
		return min(asked*2, maxSweepKeys)
	default:
		return asked
	}
}

// announceExpired wakes the watchers of what has expired since the last call. In a
// file that is open for reading only that is all there is to do.
func (b *Backend) announceExpired(ctx context.Context) (nextMs int64, err error) {
	b.warnIfClockWentBack()
	nowMs := b.clock.nowMs()
	if err := b.announceUntil(ctx, nowMs); err != nil {
		return 0, b.readFaults.note(err)
	}
	err = b.reads.use(ctx, func(c *conn) error {
		nextMs, _, err = c.number(selectEarliestExpiryAfter, nowMs)
		return err
	})
	return nextMs, b.readFaults.note(err)
}

// announceUntil wakes the watchers of what expired after b.announcedMs and until nowMs.
func (b *Backend) announceUntil(ctx context.Context, nowMs int64) error {
	atMs, key := b.announcedMs+1, []byte(nil) // no key is empty
	for !b.hub.isQuiet() {
		var rows statement.Rows
		err := b.reads.use(ctx, func(c *conn) (err error) {
			rows, err = c.run(selectExpiredBetween, statement.Args{
				Blobs:    [statement.MaxBlobs][]byte{key},
				Integers: [statement.MaxIntegers]int64{atMs, nowMs},
			}, announcedAtOnce)
			return err
		})
		if err != nil {
			return err
		}
		keys := make([][]byte, 0, rows.Count)
		for range rows.Count {
			var isKey bool
			key, isKey = rows.Blob()
			atMs, _ = rows.Integer()
			if isKey { // a file from elsewhere may hold what is none, and sorts before the keys
				keys = append(keys, key)
			}
		}
		b.hub.notify(keys)
		if rows.Count < announcedAtOnce {
			break
		}
	}
	b.announcedMs = nowMs
	return nil
}
