package sqlitebackend

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/kvconnect/kvconnect/protocol"
)

const (
	// maxGroupTasks bounds how long the first task of a group waits for the last.
	maxGroupTasks = 256

	// queuedTasks is how many tasks wait while a group is being committed; who
	// comes later waits to queue.
	queuedTasks = maxGroupTasks
)

// writer owns the connection that writes. It is safe for concurrent use; the
// connection and all transactions belong to its one goroutine.
type writer struct {
	conn   *conn
	clock  *expiryClock
	hub    *hub
	expiry *expiryLoop

	queue   chan *task
	closing chan struct{}
	done    chan struct{}

	closeOnce sync.Once
}

// task is one unit of work in a group: it happens whole or not at all.
type task struct {
	run     func(*groupTx) error
	claimed atomic.Bool   // by the writer, which will run it, or by a caller that gave up
	done    chan struct{} // closed once err is set
	err     error
}

func startWriter(c *conn, clock *expiryClock, h *hub, expiry *expiryLoop) *writer {
	w := &writer{
		conn: c, clock: clock, hub: h, expiry: expiry,
		queue:   make(chan *task, queuedTasks),
		closing: make(chan struct{}),
		done:    make(chan struct{}),
	}
	go w.loop()
	return w
}

// do has the writer run f in a savepoint of its own, and waits until what f did
// is durable. If f fails, nothing of it remains. If ctx ends before the writer
// has begun with f, f never runs.
func (w *writer) do(ctx context.Context, f func(*groupTx) error) error {
	t := &task{run: f, done: make(chan struct{})}
	select {
	case <-w.closing:
		return protocol.ErrClosed
	default:
	}
	select {
	case w.queue <- t:
	case <-w.closing:
		return protocol.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-t.done:
		return t.err
	case <-ctx.Done():
		if t.claimed.CompareAndSwap(false, true) {
			return ctx.Err()
		}
		<-t.done
		return t.err
	case <-w.done:
	}
	// The writer ended. It ran all it took from the queue, so a task is done by
	// now or was never taken.
	select {
	case <-t.done:
		return t.err
	default:
		return protocol.ErrClosed
	}
}

func (w *writer) atomicWrite(ctx context.Context, write protocol.AtomicWrite) (protocol.AtomicWriteOutput, error) {
	var output protocol.AtomicWriteOutput
	err := w.do(ctx, func(tx *groupTx) error {
		var err error
		output, err = tx.atomicWrite(write)
		return err
	})
	if err != nil {
		return protocol.AtomicWriteOutput{}, err
	}
	return output, nil
}

// close lets the writer finish what is queued, and waits for it.
func (w *writer) close() {
	w.closeOnce.Do(func() { close(w.closing) })
	<-w.done
}

// checkpointAndClose writes the WAL back into the file and closes the
// connection. The writer must be closed.
func (w *writer) checkpointAndClose() error {
	return errors.Join(w.conn.script("pragma wal_checkpoint(truncate)"), w.conn.close())
}

func (w *writer) loop() {
	defer close(w.done)
	group := make([]*task, 0, maxGroupTasks)
	for {
		select {
		case t := <-w.queue:
			group = w.drain(append(group[:0], t))
		case <-w.closing:
			group = w.drain(group[:0])
			if len(group) == 0 {
				return
			}
		}
		w.commit(group)
		clear(group)
	}
}

// drain adds what is queued, without waiting for more.
func (w *writer) drain(group []*task) []*task {
	for len(group) < maxGroupTasks {
		select {
		case t := <-w.queue:
			group = append(group, t)
		default:
			return group
		}
	}
	return group
}

// commit runs the tasks in one transaction and then, once it is durable, tells
// the watchers, the expiry loop and the callers.
func (w *writer) commit(group []*task) {
	claimed := group[:0]
	for _, t := range group {
		if t.claimed.CompareAndSwap(false, true) {
			claimed = append(claimed, t)
		}
	}
	if len(claimed) == 0 {
		return
	}
	tx, err := beginGroup(w.conn, w.clock)
	if err == nil {
		for _, t := range claimed {
			t.err = tx.runTask(t.run)
			if tx.broken != nil {
				break
			}
		}
		err = tx.commit()
		w.clock.release()
	}
	if err != nil {
		err = mark("commit", err)
	} else {
		w.hub.notify(tx.changedKeys)
		if tx.earliestExpiryMs > 0 {
			w.expiry.wakeAt(tx.earliestExpiryMs)
		}
	}
	for _, t := range claimed {
		// A task that failed by itself failed on a state that is now in doubt.
		if err != nil {
			t.err = err
		}
		close(t.done)
	}
}
