package sqlitebackend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
)

const (
	// maxGroupTasks and maxGroupBytes bound how long the first task of a group waits
	// for the last.
	maxGroupTasks = 256
	maxGroupBytes = 4 << 20
)

// writer commits tasks in groups. It is safe for concurrent use.
//
// The turn, which the queue hands out, owns the connection that writes and all
// transactions on it. Whoever gets it runs its own task and those that wait by then,
// in the order in which they came, in one transaction. When that is durable it tells
// the watchers, the expiry loop and the others of the group, and passes the turn on.
// There is no timer: a group is what came while the one before it was made durable.
// Nobody has to be woken for a write that comes alone.
type writer struct {
	conn       *conn
	clock      *expiryClock
	hub        *hub
	expiry     *expiryLoop
	checkpoint *checkpointer
	observer   Observer
	queue      writeQueue
	file       *sameFile
	trouble    *trouble
	stuck      stuckTurn
	logger     *slog.Logger

	// isComplete tells that the WAL was written back into a file that was moved, and that
	// nothing was written since. It goes with the turn.
	isComplete bool

	maxFileBytes atomic.Int64 // 0 for no bound
}

// newWriter takes over the connection; checkpointAndClose must be called in the end.
func newWriter(c *conn, file *sameFile, openCheckpointConn func() (*conn, error), b *Backend) *writer {
	w := &writer{conn: c, clock: b.clock, hub: b.hub, expiry: b.expiry, file: file, observer: b.observer, logger: b.logger}
	c.raw.CountWAL()
	w.stuck.clock = b.clock.clock
	w.trouble = newTrouble(b.clock.clock, b.logger, w.probe)
	w.checkpoint = startCheckpointer(openCheckpointConn, &w.queue, w.trouble, b.observer, b.logger)
	return w
}

// do runs f in a transaction, perhaps together with others, and returns when what f did
// is durable. If f fails, nothing of it remains. f may be run again if others made the
// transaction fail. If ctx ends before the turn of f, f never runs.
func (w *writer) do(ctx context.Context, bytes int, f func(*groupTx) error) error {
	t := newTask(f, bytes)
	if err := w.queue.await(ctx, t); err != nil {
		return err
	}
	if !t.done {
		w.lead(t)
	}
	if t.panicked != nil {
		panic(t.panicked)
	}
	return t.err
}

func (w *writer) atomicWrite(ctx context.Context, write protocol.AtomicWrite) (protocol.AtomicWriteOutput, error) {
	var output protocol.AtomicWriteOutput
	err := w.do(ctx, writeBytes(write), func(tx *groupTx) error {
		var err error
		output, err = tx.atomicWrite(write)
		return err
	})
	if err != nil {
		return protocol.AtomicWriteOutput{}, err
	}
	return output, nil
}

// writeBytes is about how much a write adds.
func writeBytes(write protocol.AtomicWrite) (n int) {
	for _, m := range write.Mutations {
		n += len(m.Key) + len(m.Value.Data)
	}
	return n
}

// close lets the writes that wait finish, and waits for them.
func (w *writer) close() {
	w.trouble.close()
	w.queue.close()
}

// checkpointAndClose writes the WAL back into the file and closes the connection. The
// writer must be closed.
func (w *writer) checkpointAndClose() error {
	closeErr := w.checkpoint.close()
	var err error
	// What is in the WAL by now, if that was done already, is of a server on the file that took
	// the place of this one, and must not be taken from it.
	if !w.isComplete {
		err = w.conn.script("pragma wal_checkpoint(truncate)")
	}
	if diskErrorOf(err) != nil {
		err = fmt.Errorf("%w: what was written stays in %s%s, and is read from there at the next start", err, w.file.path(), walSuffix)
	}
	return errors.Join(closeErr, err, w.conn.close())
}

// lead does the task of the one who has the turn, and those of others.
func (w *writer) lead(t *task) {
	group := w.queue.join([]*task{t}, maxGroupTasks, maxGroupBytes)
	errs := w.commitGroup(group)
	w.noteFailed(errs)
	t.err = errs[0]
	for i, other := range group[1:] {
		other.finish(errs[i+1])
	}
	if len(group) > 1 {
		w.letThemReturn()
	}
	w.queue.pass()
}

// noteFailed tells of the writes that the disk made fail.
func (w *writer) noteFailed(errs []error) {
	failed := 0
	var last error
	for _, err := range errs {
		if diskErrorOf(err) != nil {
			failed, last = failed+1, err
		}
	}
	if failed > 0 {
		w.trouble.note(last, failed)
	}
}

// letThemReturn lets other goroutines run for as long as that makes the line longer:
// those who were told of their writes often come back with the next one, and the next
// commit costs hardly more for having them. It takes no time if nobody has anything to
// do.
func (w *writer) letThemReturn() {
	for before, now := -1, w.queue.length(); now > before; before, now = now, w.queue.length() {
		runtime.Gosched()
	}
}

// commitGroup commits the tasks together or, if one of them spoils the transaction for
// all, each by itself.
func (w *writer) commitGroup(group []*task) []error {
	errs := make([]error, len(group))
	if w.commit(group, errs) || len(group) == 1 {
		return errs
	}
	for i := range group {
		w.commit(group[i:i+1], errs[i:i+1])
	}
	return errs
}

// commit runs the tasks in one transaction and then, once it is durable, tells the
// watchers and the expiry loop. It reports false if a task that failed could not be
// undone alone, so that nothing was committed.
func (w *writer) commit(group []*task, errs []error) (unspoilt bool) {
	unspoilt = true
	begun := time.Now()
	tx, err := beginGroup(w.conn, w.clock, w.maxFileBytes.Load())
	if err == nil {
		for i, t := range group {
			errs[i] = tx.runTask(t.runSafely)
			if tx.broken != nil {
				break
			}
		}
		err = tx.commit(w.file)
		w.clock.release()
		unspoilt = tx.broken == nil
	}
	if err != nil {
		// A task that failed by itself failed on a state that is now in doubt.
		err = mark("commit", err)
		for i := range errs {
			errs[i] = err
		}
		return unspoilt
	}
	if !tx.wrote() {
		return true
	}
	took := time.Since(begun)
	w.isComplete = false
	w.hub.notify(tx.changedKeys)
	if tx.earliestExpiryMs > 0 {
		w.expiry.wakeAt(tx.earliestExpiryMs)
	}
	w.checkpoint.wakeIfDue(w.conn.raw.WALPages())
	w.observer.GroupCommitted(tx.writes(), took)
	return true
}
