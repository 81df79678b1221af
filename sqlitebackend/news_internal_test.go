package sqlitebackend

import (
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
)

// What another watcher has found is taken over only if it is what this one would find.
func TestFindingsThatMayBeShared(t *testing.T) {
	t.Parallel()
	const nowMs = 1000
	keys := func(all ...string) (keys [][]byte) {
		for _, key := range all {
			keys = append(keys, []byte(key))
		}
		return keys
	}
	found := finding{keys: keys("a", "b"), begun: 5, ended: 6}
	with := func(change func(*finding)) *finding {
		f := found
		change(&f)
		return &f
	}
	for name, c := range map[string]struct {
		found     *finding
		keys      [][]byte
		lastAsked uint64
		shared    bool
	}{
		"the same keys":             {&found, keys("a", "b"), 0, true},
		"nothing found yet":         {nil, keys("a", "b"), 0, false},
		"fewer keys":                {&found, keys("a"), 0, false},
		"other keys":                {&found, keys("a", "c"), 0, false},
		"another order":             {&found, keys("b", "a"), 0, false},
		"read after the last state": {&found, keys("a", "b"), 4, true},
		"read beside the last":      {&found, keys("a", "b"), 5, false},
		"read before the last":      {&found, keys("a", "b"), 8, false},
		"an entry that expires":     {with(func(f *finding) { f.expiryMs = nowMs + 1 }), keys("a", "b"), 0, true},
		"an entry that expires now": {with(func(f *finding) { f.expiryMs = nowMs }), keys("a", "b"), 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := &steppedClock{}
			clock.nowMs.Store(nowMs)
			w := &watcher{backend: &Backend{clock: &expiryClock{clock: clock}}, keys: c.keys}
			w.lastAsked.Store(c.lastAsked)
			told := new(news)
			told.found.Store(c.found)
			if got := told.findingFor(w); (got != nil) != c.shared {
				t.Errorf("the watcher got %+v", got)
			}
		})
	}
	if got := (*news)(nil).findingFor(&watcher{}); got != nil {
		t.Errorf("a watcher that was not told got %+v", got)
	}
}

// Keys of one hash wake each other's watchers, which do not get each other's state.
func TestKeysOfOneHash(t *testing.T) {
	t.Parallel()
	backend, err := Open(Options{Path: t.TempDir() + "/kv.sqlite"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := backend.Close(); err != nil {
			t.Error(err)
		}
	}()
	watch := func(key string) *watcher {
		w := &watcher{backend: backend, keys: [][]byte{[]byte(key)}, changed: func() {}}
		if !backend.hub.add(w) {
			t.Fatal("the hub is closed")
		}
		return w
	}
	a, b := watch("a"), watch("b")
	// As if both had the hash of a.
	b.registrations[0].previous, a.registrations[0].next = &a.registrations[0], &b.registrations[0]
	if _, err := backend.AtomicWrite(t.Context(), protocol.AtomicWrite{Mutations: []protocol.Mutation{
		{Type: protocol.MutationSet, Key: []byte("a"), Value: protocol.U64Value(1)},
	}}); err != nil {
		t.Fatal(err)
	}
	if a.told.Load() == nil || a.told.Load() != b.told.Load() {
		t.Error("the watchers were not told together")
	}
	for _, c := range []struct {
		w       *watcher
		present bool
	}{{a, true}, {b, false}} {
		state, err := c.w.State(t.Context())
		if err != nil || (state.Entries[0] != nil) != c.present {
			t.Errorf("the state of %s is %v, %v", c.w.keys[0], state.Entries[0], err)
		}
	}
	b.registrations[0].previous, a.registrations[0].next = nil, nil
	a.Close()
	b.Close()
}

// A watcher that asks before it is told may know more than what the others find then.
func TestWatcherDoesNotGoBack(t *testing.T) {
	t.Parallel()
	backend, err := Open(Options{Path: t.TempDir() + "/kv.sqlite"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := backend.Close(); err != nil {
			t.Error(err)
		}
	}()
	var watchers [2]*watcher
	for i := range watchers {
		watchers[i] = &watcher{backend: backend, keys: [][]byte{[]byte("a")}, changed: func() {}}
		backend.hub.add(watchers[i])
	}
	set := func() {
		if _, err := backend.AtomicWrite(t.Context(), protocol.AtomicWrite{Mutations: []protocol.Mutation{
			{Type: protocol.MutationSet, Key: []byte("a"), Value: protocol.U64Value(1)},
		}}); err != nil {
			t.Fatal(err)
		}
	}
	versionstamp := func(w *watcher) protocol.Versionstamp {
		state, err := w.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return state.Versionstamps()[0]
	}
	early, late := watchers[0], watchers[1]
	set()
	told := late.told.Swap(nil) // it is about to be told
	old := versionstamp(early)  // and finds what late is to share
	backend.hub.remove(late)    // it does not hear of the next change yet
	set()
	newer := versionstamp(late)
	late.told.Store(told)
	if again := versionstamp(late); newer == old || again != newer {
		t.Errorf("the watcher saw %x and then %x; the other one %x", newer, again, old)
	}
}

// A watch of the same keys keeps no keys of its own.
func TestKeysAreKeptOnce(t *testing.T) {
	t.Parallel()
	h := newHub()
	watch := func(keys ...string) *watcher {
		w := &watcher{changed: func() {}}
		for _, key := range keys {
			w.keys = append(w.keys, []byte(key))
		}
		h.add(w)
		return w
	}
	first := watch("a", "b")
	for name, c := range map[string]struct {
		w      *watcher
		shared bool
	}{
		"the same": {watch("a", "b"), true},
		"fewer":    {watch("a"), false},
	} {
		if shared := &c.w.keys[0] == &first.keys[0]; shared != c.shared {
			t.Errorf("%s: keys are shared: %v", name, shared)
		}
	}
	none := watch()
	if len(none.keys) != 0 || len(watch().keys) != 0 {
		t.Error("watches of no keys have some")
	}
}
