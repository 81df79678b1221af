package sqlitebackend

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// hub tells the watchers of a key of its changes. It is safe for concurrent use.
//
// Most of the memory of a server is that of its open watches, so a watch costs the hub
// one registration for each key and no copy of it: registrations are found by a hash.
// Two keys of one hash are not told apart, which hardly ever happens and wakes a watcher
// once too often.
type hub struct {
	seed maphash.Seed
	// turn counts the beginnings and ends of reads of watched keys, to tell which of them
	// came first.
	turn atomic.Uint64

	mu sync.Mutex
	// first is the newest registration of each hash. It is guarded by mu, and so are
	// closed, the links between registrations, and those of each watcher.
	first  map[uint64]*registration
	closed bool
}

// registration has a watcher told of the keys of one hash. Those of one hash are a list.
type registration struct {
	hash           uint64
	watcher        *watcher
	previous, next *registration
}

func newHub() *hub {
	return &hub{seed: maphash.MakeSeed(), first: make(map[uint64]*registration)}
}

// add has a watcher told of its keys. It reports false if the hub is closed.
func (h *hub) add(w *watcher) bool {
	keys := w.keys
	if len(keys) == 0 {
		keys = [][]byte{nil} // which nobody writes: it hears of the end alone
	}
	registrations := make([]registration, len(keys))
	for i, key := range keys {
		registrations[i] = registration{hash: maphash.Bytes(h.seed, key), watcher: w}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	w.registrations = registrations
	if newest := h.first[registrations[0].hash]; newest != nil && sameKeys(newest.watcher.keys, w.keys) {
		w.keys = newest.watcher.keys // so that those of this one take no memory
	}
	for i := range registrations {
		r := &registrations[i]
		r.next = h.first[r.hash]
		if r.next != nil {
			r.next.previous = r
		}
		h.first[r.hash] = r
	}
	return true
}

// remove has a watcher told of nothing more. It waits while the watcher is being told.
func (h *hub) remove(w *watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range w.registrations {
		r := &w.registrations[i]
		if r.next != nil {
			r.next.previous = r.previous
		}
		switch {
		case r.previous != nil:
			r.previous.next = r.next
		case r.next != nil:
			h.first[r.hash] = r.next
		default:
			delete(h.first, r.hash)
		}
	}
	w.registrations = nil
}

// isQuiet tells whether nobody watches. Who begins to watch later reads the state then.
func (h *hub) isQuiet() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.first) == 0
}

// notify tells the watchers of the keys, which do not wait.
func (h *hub) notify(keys [][]byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.first) == 0 {
		return
	}
	for _, key := range keys {
		h.first[maphash.Bytes(h.seed, key)].tell()
	}
}

// close tells all watchers, which then find the backend closed.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, first := range h.first {
		first.tell()
	}
}

// tell tells the watchers of a list; nil is the empty one. The mutex of the hub must be
// held.
func (r *registration) tell() {
	var shared *news
	if r != nil && r.next != nil {
		shared = new(news)
	}
	for ; r != nil; r = r.next {
		r.watcher.told.Store(shared) // what it was told before is not new enough any more
		r.watcher.changed()
	}
}
