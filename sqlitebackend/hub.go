package sqlitebackend

import "sync"

// hub wakes the watchers of a key. It is safe for concurrent use.
type hub struct {
	mu sync.Mutex
	// watchers and closed are guarded by mu.
	watchers map[string]map[*watcher]struct{}
	closed   bool
}

func newHub() *hub {
	return &hub{watchers: make(map[string]map[*watcher]struct{})}
}

// add reports false if the hub is closed.
func (h *hub) add(w *watcher) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	for _, key := range w.keys {
		set := h.watchers[string(key)]
		if set == nil {
			set = make(map[*watcher]struct{})
			h.watchers[string(key)] = set
		}
		set[w] = struct{}{}
	}
	return true
}

func (h *hub) remove(w *watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, key := range w.keys {
		set := h.watchers[string(key)]
		delete(set, w)
		if len(set) == 0 {
			delete(h.watchers, string(key))
		}
	}
}

// isQuiet tells whether nobody watches. Who begins to watch later reads the state then.
func (h *hub) isQuiet() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.watchers) == 0
}

// notify wakes the watchers of the keys. It does not wait for them.
func (h *hub) notify(keys [][]byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.watchers) == 0 {
		return
	}
	for _, key := range keys {
		for w := range h.watchers[string(key)] {
			w.wake()
		}
	}
}

// close wakes all watchers, which then find the backend closed.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, set := range h.watchers {
		for w := range set {
			w.wake()
		}
	}
}
