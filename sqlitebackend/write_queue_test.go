package sqlitebackend

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/kvconnect/kvconnect/protocol"
)

func nothing(*groupTx) error { return nil }

// stand has tasks stand in line, one after the other, and gives what await tells each.
// The turn must be taken.
func stand(t *testing.T, ctx context.Context, q *writeQueue, tasks ...*task) []chan error { //nolint:revive // t comes first in tests
	t.Helper()
	told := make([]chan error, len(tasks))
	for i, task := range tasks {
		told[i] = make(chan error, 1)
		length := q.length()
		go func() { told[i] <- q.await(ctx, task) }()
		for q.length() == length {
			runtime.Gosched()
		}
	}
	return told
}

func takeTurn(t *testing.T, q *writeQueue) {
	t.Helper()
	if err := q.await(t.Context(), newTask(nothing, 0)); err != nil {
		t.Fatal(err)
	}
}

func TestTurnGoesDownTheLine(t *testing.T) {
	t.Parallel()
	var q writeQueue
	takeTurn(t, &q)
	tasks := []*task{newTask(nothing, 0), newTask(nothing, 0), newTask(nothing, 0)}
	told := stand(t, t.Context(), &q, tasks...)
	for i, task := range tasks {
		if n := q.length(); n != len(tasks)-i {
			t.Errorf("%d are in line, want %d", n, len(tasks)-i)
		}
		q.pass()
		if err := <-told[i]; err != nil || task.done {
			t.Errorf("task %d: error %v, done: %v", i, err, task.done)
		}
	}
	q.pass()
	takeTurn(t, &q) // at once, because nobody has it
}

func TestJoin(t *testing.T) {
	t.Parallel()
	const maxTasks, maxBytes = 4, 100
	other := newTask(nil, 0) // wants the turn for something else
	for name, c := range map[string]struct {
		line []*task
		want int // how many of them join
	}{
		"nobody":               {nil, 0},
		"all":                  {[]*task{newTask(nothing, 1), newTask(nothing, 1)}, 2},
		"as many as may":       {[]*task{newTask(nothing, 1), newTask(nothing, 1), newTask(nothing, 1), newTask(nothing, 1)}, 3},
		"as large as may":      {[]*task{newTask(nothing, 40), newTask(nothing, 50), newTask(nothing, 0)}, 3},
		"too large":            {[]*task{newTask(nothing, 40), newTask(nothing, 51), newTask(nothing, 0)}, 1},
		"until something else": {[]*task{newTask(nothing, 1), other, newTask(nothing, 1)}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := writeQueue{taken: true, waiting: c.line}
			leader := newTask(nothing, 10)
			want := append([]*task{leader}, c.line[:c.want]...)
			group := q.join([]*task{leader}, maxTasks, maxBytes)
			same := func(a, b *task) bool { return a == b }
			if diff := cmp.Diff(want, group, cmp.Comparer(same)); diff != "" || q.length() != len(c.line)-c.want {
				t.Errorf("%d joined and %d stay, want %d and %d", len(group)-1, q.length(), c.want, len(c.line)-c.want)
			}
		})
	}
}

func TestFinishedTaskIsNotToLead(t *testing.T) {
	t.Parallel()
	var q writeQueue
	takeTurn(t, &q)
	follower := newTask(nothing, 0)
	told := stand(t, t.Context(), &q, follower)
	failure := errors.New("it failed")
	for _, joined := range q.join(nil, maxGroupTasks, maxGroupBytes) {
		joined.finish(failure)
	}
	if err := <-told[0]; err != nil || !follower.done || !errors.Is(follower.err, failure) {
		t.Errorf("await gave %v, done: %v, error %v", err, follower.done, follower.err)
	}
}

func TestWhoLeavesTheLineIsLeftOut(t *testing.T) {
	t.Parallel()
	var q writeQueue
	takeTurn(t, &q)
	ctx, leave := context.WithCancel(t.Context())
	leaving := stand(t, ctx, &q, newTask(nothing, 0))
	staying := stand(t, t.Context(), &q, newTask(nothing, 0))
	leave()
	if err := <-leaving[0]; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	q.pass()
	if err := <-staying[0]; err != nil {
		t.Error(err)
	}
	if err := q.await(ctx, newTask(nothing, 0)); !errors.Is(err, context.Canceled) {
		t.Errorf("whose context has ended got in line: %v", err)
	}
}

func TestClosedQueue(t *testing.T) {
	t.Parallel()
	var q writeQueue
	takeTurn(t, &q)
	told := stand(t, t.Context(), &q, newTask(nothing, 0))
	var closed atomic.Bool
	var wait sync.WaitGroup
	wait.Go(func() {
		q.close()
		closed.Store(true)
	})
	for q.length() < 2 {
		runtime.Gosched()
	}
	if err := q.await(t.Context(), newTask(nothing, 0)); !errors.Is(err, protocol.ErrClosed) {
		t.Errorf("who comes after close: %v, want ErrClosed", err)
	}
	q.pass()
	if err := <-told[0]; err != nil {
		t.Errorf("who came before close: %v", err)
	}
	if closed.Load() {
		t.Error("close did not wait for the line")
	}
	q.pass()
	wait.Wait()
	q.close() // once more does nothing
}

// Whatever comes and goes, one has the turn at a time, and all that stay get it or are
// done by another.
func TestTurnIsHeldByOne(t *testing.T) {
	t.Parallel()
	var q writeQueue
	var holders, runs, left atomic.Int64
	const callers, each = 16, 200
	var wait sync.WaitGroup
	for caller := range callers {
		wait.Go(func() {
			for i := range each {
				ctx, leave := context.WithCancel(t.Context())
				if (caller+i)%5 == 0 {
					go leave()
				}
				mine := newTask(nothing, 1)
				err := q.await(ctx, mine)
				switch {
				case err != nil:
					left.Add(1)
				case mine.done:
				default:
					if n := holders.Add(1); n != 1 {
						t.Errorf("%d have the turn", n)
					}
					group := q.join([]*task{mine}, 8, 100)
					runs.Add(int64(len(group)))
					for _, other := range group[1:] {
						other.finish(nil)
					}
					holders.Add(-1)
					q.pass()
				}
				leave()
			}
		})
	}
	wait.Wait()
	if n := runs.Load() + left.Load(); n != callers*each {
		t.Errorf("%d were done or left, of %d", n, callers*each)
	}
}
