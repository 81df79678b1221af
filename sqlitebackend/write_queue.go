package sqlitebackend

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/kvconnect/kvconnect/protocol"
)

// writeQueue decides whose turn it is to write: one caller at a time has the turn, and
// with it the connection that writes. Who comes while nobody has it goes on at once,
// on its own goroutine; the others wait in line. It is safe for concurrent use.
type writeQueue struct {
	mu      sync.Mutex
	taken   bool    // guarded by mu: somebody has the turn
	turns   uint64  // guarded by mu: how often the turn was given to somebody
	waiting []*task // guarded by mu, in the order in which they came
	closed  bool    // guarded by mu
}

// task is one unit of work. It waits until it is told that it is done, by the one who
// had the turn, or that the turn is its own.
type task struct {
	// run is what is to happen in a transaction, whole or not at all. It may be run
	// more than once, if all that it did before was undone. It is nil for a task that
	// wants the turn for something else.
	run   func(*groupTx) error
	bytes int // about how much it writes

	told chan struct{} // has room for one token
	done bool          // set before the token
	err  error         // of a task that is done

	// panicked is what run panicked with. It is for the goroutine that the task came
	// from: whoever has the turn must go on to pass it.
	panicked any
}

var errPanicked = errors.New("the task panicked")

// runSafely is run for the one who has the turn.
func (t *task) runSafely(tx *groupTx) (err error) {
	defer func() {
		if t.panicked = recover(); t.panicked != nil {
			err = errPanicked
		}
	}()
	return t.run(tx)
}

func newTask(run func(*groupTx) error, bytes int) *task {
	return &task{run: run, bytes: bytes, told: make(chan struct{}, 1)}
}

// await returns when the turn is t's or another caller has done t, which t.done tells.
// If ctx ends before either, t will never run and the error is ctx's. It fails with
// protocol.ErrClosed if the queue is closed.
func (q *writeQueue) await(ctx context.Context, t *task) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return protocol.ErrClosed
	}
	if !q.taken {
		q.taken = true
		q.turns++
		q.mu.Unlock()
		return nil
	}
	q.waiting = append(q.waiting, t)
	q.mu.Unlock()
	select {
	case <-t.told:
		return nil
	case <-ctx.Done():
		if q.withdraw(t) {
			return ctx.Err()
		}
		<-t.told // it was chosen already
		return nil
	}
}

// withdraw takes t out of the line; it reports false if t is not in it any more.
func (q *writeQueue) withdraw(t *task) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, t)
	if i < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	return true
}

// join takes those out of the line that can be committed together with the group of
// the one who has the turn, and adds them to it, up to maxTasks and about maxBytes.
func (q *writeQueue) join(group []*task, maxTasks, maxBytes int) []*task {
	q.mu.Lock()
	defer q.mu.Unlock()
	bytes := 0
	for _, t := range group {
		bytes += t.bytes
	}
	n := 0
	for _, t := range q.waiting {
		if bytes += t.bytes; t.run == nil || len(group) == maxTasks || bytes > maxBytes {
			break
		}
		group = append(group, t)
		n++
	}
	q.waiting = slices.Delete(q.waiting, 0, n)
	return group
}

// length is the number of tasks in line.
func (q *writeQueue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

// turn tells the turns from one another; 0 for nobody's, and for the last one that close keeps.
func (q *writeQueue) turn() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.taken || q.closed {
		return 0
	}
	return q.turns
}

// pass gives the turn to the next in line.
func (q *writeQueue) pass() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.taken = false
		return
	}
	q.turns++
	next := q.waiting[0]
	q.waiting = slices.Delete(q.waiting, 0, 1)
	next.told <- struct{}{}
}

// finish tells a task that it was done for it.
func (t *task) finish(err error) {
	t.done, t.err = true, err
	t.told <- struct{}{}
}

// close lets those in line have their turn, waits for the last one and keeps the turn.
// Who comes later gets protocol.ErrClosed.
func (q *writeQueue) close() {
	last := newTask(nil, 0)
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return
	}
	q.closed = true
	if !q.taken {
		q.taken = true
		q.mu.Unlock()
		return
	}
	q.waiting = append(q.waiting, last)
	q.mu.Unlock()
	<-last.told
}
