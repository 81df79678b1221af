package sqlitebackend_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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
