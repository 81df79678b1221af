package sqlitebackend

import (
	"context"

	"github.com/kvconnect/kvconnect/protocol"
)

// watcher is a protocol.Watcher.
type watcher struct {
	backend       *Backend
	keys          [][]byte
	changed       func()
	registrations []registration // the hub's
}

// Watch follows the keys of the watch from now on: changed is called when one of them may
// have changed, and when the backend is closed. It must not wait, and not call the backend
// or the watcher: the hub waits for it. The caller must Close the watcher, and not change
// the keys before.
func (b *Backend) Watch(watch protocol.Watch, changed func()) (protocol.Watcher, error) {
	w := &watcher{backend: b, keys: watch.Keys, changed: changed}
	if !b.hub.add(w) {
		return nil, protocol.ErrClosed
	}
	return w, nil
}

func (w *watcher) State(ctx context.Context) (protocol.WatchOutput, error) {
	entries, err := w.backend.reads.readEntries(ctx, w.keys)
	return protocol.WatchOutput{Entries: entries}, err
}

func (w *watcher) Close() { w.backend.hub.remove(w) }
