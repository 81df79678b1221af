package sqlitebackend_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/conformance"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

func TestExpiryIsExactToTheMillisecond(t *testing.T) {
	t.Parallel()
	clock := conformance.NewClock()
	backend := open(t, sqlitebackend.Options{Path: tempPath(t), Clock: clock})
	commit(t, backend, setUntil("a", clock.InMs(time.Second)))
	watcher := watch(t, backend, "a")
	awaitState(t, watcher, true)

	clock.Move(time.Second - time.Millisecond)
	wantValue(t, backend, "a", "1")
	clock.Move(time.Millisecond)
	wantAbsent(t, backend, "a") // whether it was swept by now or not
	awaitState(t, watcher, false)
}

// The removal waits for the writer, but nobody has to wait for the removal.
func TestWatchIsToldOfAnExpiryWhileTheWriterIsBusy(t *testing.T) {
	t.Parallel()
	clock := conformance.NewClock()
	backend := open(t, sqlitebackend.Options{Path: tempPath(t), Clock: clock})
	commit(t, backend, setUntil("a", clock.InMs(time.Second)))
	watcher := watch(t, backend, "a")
	awaitState(t, watcher, true)
	release := backend.HoldWriter()
	defer release()
	clock.Move(time.Second)
	awaitState(t, watcher, false)
}

// However many keys expire with it: they are looked up some at a time.
func TestWatchIsToldOfOneExpiryAmongMany(t *testing.T) {
	t.Parallel()
	clock := conformance.NewClock()
	backend := open(t, sqlitebackend.Options{Path: tempPath(t), Clock: clock})
	const keys = 2*sqlitebackend.AnnouncedAtOnce + 1
	var write protocol.AtomicWrite
	for i := range keys {
		mutation := set(fmt.Sprintf("%05d", i), "1")
		mutation.ExpireAtMs = clock.InMs(time.Second)
		write.Mutations = append(write.Mutations, mutation)
	}
	if _, err := backend.AtomicWrite(t.Context(), write); err != nil {
		t.Fatal(err)
	}
	var watchers []toldWatcher
	for _, i := range []int{0, sqlitebackend.AnnouncedAtOnce - 1, sqlitebackend.AnnouncedAtOnce, keys - 1} {
		watcher := watch(t, backend, fmt.Sprintf("%05d", i))
		awaitState(t, watcher, true)
		watchers = append(watchers, watcher)
	}
	release := backend.HoldWriter() // the sweep tells of what it deletes, too
	defer release()
	clock.Move(time.Second)
	for _, watcher := range watchers {
		awaitState(t, watcher, false)
	}
}

func TestSweeperRemovesWhatExpired(t *testing.T) {
	t.Parallel()
	clock := conformance.NewClock()
	backend := open(t, sqlitebackend.Options{Path: tempPath(t), Clock: clock})
	const expiring = 2500 // takes the sweeper more than one turn
	for range expiring / 500 {
		var mutations []protocol.Mutation
		for range 500 {
			mutations = append(mutations, protocol.Mutation{
				Type: protocol.MutationSetVersionstampedKey, Value: bytesValue("x"), ExpireAtMs: clock.InMs(time.Minute),
				Key: []byte{byte(len(mutations)), byte(len(mutations) >> 8)},
			})
		}
		commit(t, backend, mutations...)
	}
	commit(t, backend, set("stays", "1"))
	clock.Move(time.Minute)
	deadline := time.After(10 * time.Second)
	for {
		n, err := backend.StoredKeys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n == 1 {
			break
		}
		select {
		case <-deadline:
			t.Fatalf("%d keys are left", n)
		default:
		}
	}
	wantValue(t, backend, "stays", "1")
}

func TestClockThatGoesBackRevivesNothing(t *testing.T) {
	t.Parallel()
	clock := conformance.NewClock()
	backend := open(t, sqlitebackend.Options{Path: tempPath(t), Clock: clock})
	clock.Move(2 * time.Second)
	wantAbsent(t, backend, "a") // the backend has seen this time
	at := clock.InMs(-time.Second)
	clock.Move(-2 * time.Second)
	commit(t, backend, setUntil("a", at))
	wantAbsent(t, backend, "a")
}

func TestEarlierExpiryOvertakesALaterOne(t *testing.T) {
	t.Parallel()
	clock := conformance.NewClock()
	backend := open(t, sqlitebackend.Options{Path: tempPath(t), Clock: clock})
	commit(t, backend, setUntil("late", clock.InMs(50*time.Second)))
	commit(t, backend, setUntil("early", clock.InMs(5*time.Second)))
	early, late := watch(t, backend, "early"), watch(t, backend, "late")
	awaitState(t, early, true)
	awaitState(t, late, true)
	clock.Move(5 * time.Second)
	awaitState(t, early, false)
	wantValue(t, backend, "late", "1")
	clock.Move(45 * time.Second)
	awaitState(t, late, false)
}

func TestExpiryInAFileOpenForReadingOnly(t *testing.T) {
	t.Parallel()
	clock := conformance.NewClock()
	path := filepath.Join(t.TempDir(), "kv.sqlite")
	writing := open(t, sqlitebackend.Options{Path: path, Clock: clock})
	commit(t, writing, setUntil("a", clock.InMs(time.Second)))
	if err := writing.Close(); err != nil {
		t.Fatal(err)
	}
	backend := open(t, sqlitebackend.Options{Path: path, ReadOnly: true, Clock: clock})
	watcher := watch(t, backend, "a")
	awaitState(t, watcher, true)
	clock.Move(time.Second)
	awaitState(t, watcher, false)
	wantAbsent(t, backend, "a")
}

// A write decides by the time of its turn, not by that of its group: readers may
// have seen the key expire in between.
func TestKeyThatWasSeenToExpireIsAbsentForAWriteThatWaited(t *testing.T) {
	t.Parallel()
	clock := conformance.NewClock()
	backend := open(t, sqlitebackend.Options{Path: tempPath(t), Clock: clock})
	commit(t, backend, counterUntil(5, clock.InMs(time.Second)))

	releaseFirst := backend.HoldWriter()
	secondHeld := make(chan func())
	go func() { secondHeld <- backend.HoldWriter() }()
	awaitQueued(t, backend, 1)
	written := make(chan error, 1)
	go func() {
		_, err := backend.AtomicWrite(t.Context(), protocol.AtomicWrite{Mutations: []protocol.Mutation{sum("counter")}})
		written <- err
	}()
	awaitQueued(t, backend, 2)
	releaseFirst()
	releaseSecond := <-secondHeld // the group of the sum has begun
	clock.Move(2 * time.Second)
	wantAbsent(t, backend, "counter")
	releaseSecond()
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	wantValue(t, backend, "counter", "\x01\x00\x00\x00\x00\x00\x00\x00")
}

// The other way round: what a write has found alive expires for nobody until that
// write is committed.
func TestKeyThatAWriteFoundAliveStaysSoUntilItsCommit(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]protocol.AtomicWrite{
		"sum": {Mutations: []protocol.Mutation{sum("counter")}},
		"check": {
			Checks:    []protocol.Check{{Key: []byte("counter"), Versionstamp: protocol.VersionstampOf(1)}},
			Mutations: []protocol.Mutation{{Type: protocol.MutationSet, Key: []byte("counter"), Value: protocol.U64Value(6)}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := conformance.NewClock()
			backend := open(t, sqlitebackend.Options{Path: tempPath(t), Clock: clock})
			commit(t, backend, counterUntil(5, clock.InMs(time.Second)))

			releaseFirst := backend.HoldWriter()
			written := make(chan error, 1)
			go func() {
				output, err := backend.AtomicWrite(t.Context(), write)
				if output.Status == protocol.AtomicWriteCheckFailed {
					err = errors.New("the check failed")
				}
				written <- err
			}()
			awaitQueued(t, backend, 1)
			secondHeld := make(chan func())
			go func() { secondHeld <- backend.HoldWriter() }()
			awaitQueued(t, backend, 2)
			releaseFirst()
			releaseSecond := <-secondHeld // the write was made, and is not committed
			clock.Move(2 * time.Second)
			wantValue(t, backend, "counter", "\x05\x00\x00\x00\x00\x00\x00\x00")
			releaseSecond()
			if err := <-written; err != nil {
				t.Fatal(err)
			}
			wantValue(t, backend, "counter", "\x06\x00\x00\x00\x00\x00\x00\x00")
		})
	}
}

// If that write fails, the key expires at its time all the same.
func TestKeyThatAFailedWriteFoundAliveExpires(t *testing.T) {
	t.Parallel()
	clock := conformance.NewClock()
	path := tempPath(t)
	backend := open(t, sqlitebackend.Options{Path: path, Clock: clock})
	commit(t, backend, counterUntil(5, clock.InMs(time.Second)))
	withSQL(t, path, "create trigger refuse before update on data_version begin select raise(fail, 'refused by the test'); end")
	output, err := backend.AtomicWrite(t.Context(), protocol.AtomicWrite{Mutations: []protocol.Mutation{sum("counter")}})
	if !errors.Is(err, protocol.ErrUnavailable) {
		t.Fatalf("%v, error %v", output, err)
	}
	clock.Move(2 * time.Second)
	wantAbsent(t, backend, "counter")
}

func counterUntil(n uint64, expireAtMs int64) protocol.Mutation {
	return protocol.Mutation{
		Type: protocol.MutationSet, Key: []byte("counter"), Value: protocol.U64Value(n), ExpireAtMs: expireAtMs,
	}
}

// jumpingClock moves on by a second once it was read after jump was set.
type jumpingClock struct {
	*conformance.Clock
	jump atomic.Bool
}

func (c *jumpingClock) Now() time.Time {
	now := c.Clock.Now()
	if c.jump.CompareAndSwap(true, false) {
		c.Move(time.Second)
	}
	return now
}

// A key that expires between the reading of the clock and the snapshot must not be
// shown: what the snapshot holds may have been written by somebody who saw it gone.
func TestKeyThatExpiresWhileASnapshotIsTaken(t *testing.T) {
	t.Parallel()
	clock := &jumpingClock{Clock: conformance.NewClock()}
	backend := open(t, sqlitebackend.Options{Path: tempPath(t), Clock: clock})
	commit(t, backend, setUntil("a", clock.InMs(time.Second)), set("b", "1"))
	release := backend.HoldWriter() // or the sweeper may be the one who reads the clock
	defer release()
	clock.jump.Store(true)
	wantAbsent(t, backend, "a")
	wantValue(t, backend, "b", "1")
}
