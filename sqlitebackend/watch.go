package sqlitebackend

import (
	"context"

	"github.com/kvconnect/kvconnect/protocol"
)

// watcher is a protocol.Watcher.
type watcher struct {
	keys    [][]byte
	hub     *hub
	reads   *readPool
	changed chan struct{} // has room for one token
}

// Watch follows the keys of the watch from now on. The caller must Close the
// watcher.
func (b *Backend) Watch(watch protocol.Watch) (protocol.Watcher, error) {
	w := &watcher{keys: watch.Keys, hub: b.hub, reads: b.reads, changed: make(chan struct{}, 1)}
	if !b.hub.add(w) {
		return nil, protocol.ErrClosed
	}
	w.wake()
	return w, nil
}

func (w *watcher) Changed() <-chan struct{} { return w.changed }

func (w *watcher) State(ctx context.Context) (protocol.WatchOutput, error) {
	entries, err := w.reads.readEntries(ctx, w.keys)
	return protocol.WatchOutput{Entries: entries}, err
}

func (w *watcher) Close() { w.hub.remove(w) }

// wake leaves a token unless one is waiting to be taken.
func (w *watcher) wake() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}
