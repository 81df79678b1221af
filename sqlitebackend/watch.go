package sqlitebackend

import (
	"context"
	"sync/atomic"

	"github.com/kvconnect/kvconnect/protocol"
)

// watcher is a protocol.Watcher.
type watcher struct {
	backend       *Backend
	keys          [][]byte // shared with other watchers of them
	changed       func()
	registrations []registration // the hub's

	told      atomic.Pointer[news] // of which State was not asked yet; nil for none
	lastAsked atomic.Uint64        // when the read ended that gave the last state, as a turn of the hub
}

// Watch follows the keys of the watch from now on: changed is called when one of them may
// have changed, and when the backend is closed. It must not wait, and not call the backend
// or the watcher: the hub waits for it. The caller must Close the watcher, and never change
// the keys, which other watches of the same may share.
func (b *Backend) Watch(watch protocol.Watch, changed func()) (protocol.Watcher, error) {
	w := &watcher{backend: b, keys: watch.Keys, changed: changed}
	if !b.hub.add(w) {
		return nil, protocol.ErrClosed
	}
	return w, nil
}

// State implements protocol.Watcher. What others have found since this watcher was told is
// as good as what it would find now, and not told again.
func (w *watcher) State(ctx context.Context) (protocol.WatchOutput, error) {
	told := w.told.Swap(nil)
	if f := told.findingFor(w); f != nil {
		w.askedUntil(f.ended)
		return f.state, nil
	}
	begun := w.backend.hub.turn.Add(1)
	entries, expiryMs, err := w.backend.reads.readEntries(ctx, w.keys)
	ended := w.backend.hub.turn.Add(1)
	if err != nil {
		return protocol.WatchOutput{}, w.backend.readFaults.note(err)
	}
	w.askedUntil(ended)
	state := protocol.WatchOutput{Entries: entries}
	if told != nil {
		state = state.Shared()
		told.leave(&finding{keys: w.keys, state: state, begun: begun, ended: ended, expiryMs: expiryMs})
	}
	return state, nil
}

// askedUntil notes when the read of a state ended that was given.
func (w *watcher) askedUntil(turn uint64) {
	for {
		last := w.lastAsked.Load()
		if last >= turn || w.lastAsked.CompareAndSwap(last, turn) {
			return
		}
	}
}

// Close implements protocol.Watcher.
func (w *watcher) Close() { w.backend.hub.remove(w) }
