package sqlitebackend_test

import (
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/conformance"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// told is an Observer that passes on what it is told. There is room for all that a test does.
type told struct {
	groups      chan int
	waits       chan time.Duration
	checkpoints chan error
	sweeps      chan swept
}

type swept struct {
	keys int
	lag  time.Duration
}

func newTold() told {
	const room = 10_000
	return told{make(chan int, room), make(chan time.Duration, room), make(chan error, room), make(chan swept, room)}
}

func (o told) GroupCommitted(writes int, _ time.Duration) { o.groups <- writes }

func (o told) ReadWaited(waited time.Duration) { o.waits <- waited }

func (o told) Checkpointed(_ time.Duration, err error) { o.checkpoints <- err }

func (o told) Swept(keys int, lag time.Duration) { o.sweeps <- swept{keys, lag} }

func awaitTold[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(20 * time.Second):
		t.Fatalf("nobody was told of %s", what)
	}
	return v
}

func drained[T any](c <-chan T) (all []T) {
	for {
		select {
		case v := <-c:
			all = append(all, v)
		default:
			return all
		}
	}
}

// What is told of a commit is told before those who wrote go on.
func TestObserverOfCommits(t *testing.T) {
	t.Parallel()
	observer := newTold()
	backend := open(t, sqlitebackend.Options{Path: tempPath(t), Observer: observer})
	commit(t, backend, set("a", "1"))
	commit(t, backend) // an empty write has a versionstamp too
	failing := protocol.AtomicWrite{
		Checks:    []protocol.Check{{Key: []byte("a")}},
		Mutations: []protocol.Mutation{set("a", "2")},
	}
	writeAsGroup(t, backend, []protocol.AtomicWrite{
		{Mutations: []protocol.Mutation{set("b", "1")}},
		failing,
		{Mutations: []protocol.Mutation{sum("a")}},
		{Mutations: []protocol.Mutation{set("c", "1"), set("d", "1")}},
	})
	writeAsGroup(t, backend, []protocol.AtomicWrite{failing})
	if got, want := drained(observer.groups), []int{1, 1, 2}; !slices.Equal(got, want) {
		t.Errorf("groups of %v writes, want %v", got, want)
	}
}

func TestObserverOfReads(t *testing.T) {
	t.Parallel()
	observer := newTold()
	backend := open(t, sqlitebackend.Options{Path: tempPath(t), ReadConns: 2, Observer: observer})
	drained(observer.waits) // of the start
	for range 10 {
		wantAbsent(t, backend, "a")
	}
	if waits := drained(observer.waits); len(waits) > 0 {
		t.Errorf("reads that found a connection have waited for %v", waits)
	}
	release := backend.HoldRead()
	releaseSecond := backend.HoldRead() // on a connection that is opened for it
	if waits := drained(observer.waits); len(waits) != 1 || waits[0] <= 0 {
		t.Errorf("a read has waited until its connection was opened for %v", waits)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		wantAbsent(t, backend, "a")
	}()
	for backend.WaitingReads() == 0 {
		runtime.Gosched()
	}
	releaseSecond()
	<-read
	release()
	if waits := drained(observer.waits); len(waits) != 1 || waits[0] <= 0 {
		t.Errorf("a read has waited for a connection for %v", waits)
	}
}

func TestObserverOfCheckpoints(t *testing.T) {
	t.Parallel()
	for name, fails := range map[string]bool{"they succeed": false, "they fail": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			observer := newTold()
			backend := open(t, sqlitebackend.Options{Path: tempPath(t), Observer: observer})
			if fails {
				backend.BreakCheckpoints()
			}
			for range 100 { // several times as much as a checkpoint is made for
				writePages(t, backend, 100)
			}
			if err := awaitTold(t, "a checkpoint", observer.checkpoints); (err != nil) != fails {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestObserverOfSweeps(t *testing.T) {
	t.Parallel()
	clock := conformance.NewClock()
	observer := newTold()
	backend := open(t, sqlitebackend.Options{Path: tempPath(t), Clock: clock, Observer: observer})
	commit(t, backend, setUntil("a", clock.InMs(time.Second)), setUntil("b", clock.InMs(2*time.Second)), setUntil("c", clock.InMs(time.Hour)))
	clock.Move(5 * time.Second)
	keys, lag := 0, time.Duration(0)
	for keys < 2 {
		sweep := awaitTold(t, "a sweep", observer.sweeps)
		keys, lag = keys+sweep.keys, max(lag, sweep.lag)
	}
	if keys != 2 || lag != 4*time.Second {
		t.Errorf("%d keys were swept, %v after the first had expired", keys, lag)
	}
}
