package sqlitebackend_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/conformance"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// toldWatcher is a watcher with a token in changed while its State may have news.
type toldWatcher struct {
	protocol.Watcher
	changed chan struct{} // has room for one token
}

func (w toldWatcher) tell() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// watch opens a watch, with a token for its first state.
func watch(t *testing.T, b *sqlitebackend.Backend, keys ...string) toldWatcher {
	t.Helper()
	told := toldWatcher{changed: make(chan struct{}, 1)}
	told.tell()
	var request protocol.Watch
	for _, key := range keys {
		request.Keys = append(request.Keys, []byte(key))
	}
	var err error
	if told.Watcher, err = b.Watch(request, told.tell); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(told.Close)
	return told
}

// awaitState waits until the watch is told and finds the first key present or absent.
func awaitState(t *testing.T, watcher toldWatcher, present bool) {
	t.Helper()
	for {
		select {
		case <-watcher.changed:
		case <-time.After(10 * time.Second):
			t.Fatalf("the watch was not told that the key is present: %v", present)
		}
		state, err := watcher.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if (state.Entries[0] != nil) == present {
			return
		}
	}
}

// However many watches of a key come and go, those that are open are told and no others.
func TestOpenWatchesAreTold(t *testing.T) {
	t.Parallel()
	backend := open(t, sqlitebackend.Options{Path: tempPath(t)})
	const n = 5
	for opened := range 1 << n { // each set of watches that are left open, by its bits
		watchers := make([]toldWatcher, n)
		for i := range watchers {
			watchers[i] = watch(t, backend, "a", fmt.Sprint("b", i), "a")
			<-watchers[i].changed
		}
		isOpen := func(i int) bool { return opened&(1<<i) != 0 }
		for i, watcher := range watchers {
			if !isOpen(i) {
				watcher.Close()
				watcher.Close() // does nothing
			}
		}
		for _, key := range []string{"a", "b0", "b3", "c"} {
			commit(t, backend, set(key, "1"))
			for i, watcher := range watchers {
				if got, want := len(watcher.changed) == 1, isOpen(i) && (key == "a" || key == fmt.Sprint("b", i)); got != want {
					t.Errorf("watches %05b are open, %s was written: watch %d was told: %v", opened, key, i, got)
				}
				select {
				case <-watcher.changed:
				default:
				}
			}
		}
		for _, watcher := range watchers {
			watcher.Close()
		}
	}
	if left := backend.WatchedKeys(); left != 0 {
		t.Errorf("%d keys are still watched", left)
	}
}

// Watches that are told together read the state once, and each gets all that it must.
func TestWatchesShareAState(t *testing.T) {
	t.Parallel()
	clock := conformance.NewClock()
	backend := open(t, sqlitebackend.Options{Path: tempPath(t), Clock: clock})
	commit(t, backend, set("b", "1"))
	lists := [][]string{{"a"}, {"a"}, {"a", "b"}, {"a"}}
	var watchers []toldWatcher
	for _, keys := range lists {
		watcher := watch(t, backend, keys...)
		awaitState(t, watcher, false)
		watchers = append(watchers, watcher)
	}
	states := func() (states []protocol.WatchOutput) {
		for _, watcher := range watchers {
			<-watcher.changed
			state, err := watcher.State(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			states = append(states, state)
		}
		return states
	}
	commit(t, backend, setUntil("a", clock.InMs(time.Second)))
	got := states()
	for i, state := range got {
		if len(state.Entries) != len(lists[i]) || state.Entries[0] == nil || len(state.Entries) == 2 && state.Entries[1] == nil {
			t.Fatalf("watch %d has the state %+v", i, state)
		}
	}
	if first := got[0].Entries[0]; got[1].Entries[0] != first || got[3].Entries[0] != first {
		t.Error("the watches of the same key have each read it")
	}

	// Who asks after the expiry finds it expired, whoever asked before.
	commit(t, backend, setUntil("a", clock.InMs(time.Second)))
	for i, watcher := range watchers[:2] {
		<-watcher.changed
		if i == 1 {
			clock.Move(time.Second)
		}
		state, err := watcher.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if present := state.Entries[0] != nil; present != (i == 0) {
			t.Errorf("watch %d finds the key present: %v", i, present)
		}
	}
}

// What another watcher found is of no use after the next change, which is told to one alone.
func TestStateAfterTheOthersLeft(t *testing.T) {
	t.Parallel()
	backend := open(t, sqlitebackend.Options{Path: tempPath(t)})
	other, watcher := watch(t, backend, "a"), watch(t, backend, "a")
	awaitState(t, watcher, false)
	commit(t, backend, set("a", "1"))
	awaitState(t, other, true)
	other.Close()
	commit(t, backend, set("a", "2"))
	state, err := watcher.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := string(state.Entries[0].Value.Data); got != "2" {
		t.Errorf("the value is %q", got)
	}
}

// However often watches of the same keys ask while the keys change, none goes back, and
// each gets the end.
func TestSharedStatesAreInOrder(t *testing.T) {
	t.Parallel()
	backend := open(t, sqlitebackend.Options{Path: tempPath(t)})
	const watches, writes = 20, 300
	done := make(chan protocol.Versionstamp, watches)
	for i := range watches {
		watcher := watch(t, backend, "a")
		go func() {
			var last protocol.Versionstamp
			for n := 0; ; n++ {
				if i%2 == 0 || n%3 > 0 { // the others also ask when they are not told
					<-watcher.changed
				}
				state, err := watcher.State(t.Context())
				if err != nil {
					done <- last
					return
				}
				if now := state.Versionstamps()[0]; bytes.Compare(now[:], last[:]) < 0 {
					t.Errorf("a watch went back from %x to %x", last, now)
				} else {
					last = now
				}
				if state.Entries[0] != nil && string(state.Entries[0].Value.Data) == "end" {
					done <- last
					return
				}
			}
		}()
	}
	for range writes {
		commit(t, backend, set("a", "1"))
	}
	commit(t, backend, set("a", "end"))
	state, err := watch(t, backend, "a").State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := state.Versionstamps()[0]
	for range watches {
		select {
		case got := <-done:
			if got != want {
				t.Errorf("a watch ended at %x, not %x", got, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("a watch did not get the last state")
		}
	}
}

func TestWatchesHearOfTheEnd(t *testing.T) {
	t.Parallel()
	backend := open(t, sqlitebackend.Options{Path: tempPath(t)})
	watchers := map[string]toldWatcher{"no key": watch(t, backend), "two keys": watch(t, backend, "a", "b")}
	closed := watch(t, backend, "a")
	for _, watcher := range watchers {
		<-watcher.changed
	}
	<-closed.changed
	closed.Close()
	if err := backend.Close(); err != nil {
		t.Fatal(err)
	}
	for name, watcher := range watchers {
		if len(watcher.changed) == 0 {
			t.Errorf("the watch of %s was not told", name)
		}
		if _, err := watcher.State(t.Context()); !errors.Is(err, protocol.ErrClosed) {
			t.Errorf("the state of the watch of %s: %v, want ErrClosed", name, err)
		}
	}
	if len(closed.changed) != 0 {
		t.Error("a closed watch was told")
	}
}

// Nothing is called once Close has returned, whatever happens at that time.
func TestClosedWatchIsNotTold(t *testing.T) {
	t.Parallel()
	backend := open(t, sqlitebackend.Options{Path: tempPath(t)})
	const watchersAtOnce, rounds = 4, 200
	written := make(chan struct{})
	var writer, watchers sync.WaitGroup
	writer.Go(func() {
		for {
			select {
			case <-written:
				return
			default:
				if _, err := backend.AtomicWrite(t.Context(), protocol.AtomicWrite{Mutations: []protocol.Mutation{set("a", "1")}}); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	for range watchersAtOnce {
		watchers.Go(func() {
			for range rounds {
				var closed atomic.Bool
				watcher, err := backend.Watch(protocol.Watch{Keys: [][]byte{[]byte("a")}}, func() {
					if closed.Load() {
						t.Error("told after Close")
					}
				})
				if err != nil {
					t.Error(err)
					return
				}
				watcher.Close()
				closed.Store(true)
			}
		})
	}
	watchers.Wait()
	close(written)
	writer.Wait()
}

// One watch of more keys, which is told first, does not have all others read for themselves.
func TestWatchesShareAStateBesideOthers(t *testing.T) {
	t.Parallel()
	backend := open(t, sqlitebackend.Options{Path: tempPath(t)})
	lists := [][]string{{"a", "b"}, {"a"}, {"a"}, {"a"}}
	var watchers []toldWatcher
	for _, keys := range lists {
		watcher := watch(t, backend, keys...)
		awaitState(t, watcher, false)
		watchers = append(watchers, watcher)
	}
	commit(t, backend, set("a", "1"))
	var entries []*protocol.Entry
	for _, watcher := range watchers {
		<-watcher.changed
		state, err := watcher.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, state.Entries[0])
	}
	if entries[1] == nil || entries[2] != entries[1] || entries[3] != entries[1] {
		t.Error("the watches of the same key have each read it")
	}
}
