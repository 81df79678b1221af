package conformance

import (
	"context"

	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/protocol"
)

// database is a way to a database: straight to a backend, or over HTTP. It is
// safe for concurrent use.
type database interface {
	snapshotRead(ctx context.Context, read protocol.SnapshotRead) (protocol.SnapshotReadOutput, error)
	atomicWrite(ctx context.Context, write protocol.AtomicWrite) (protocol.AtomicWriteOutput, error)
	// watch sends each state that the watch tells of, until ctx ends or the
	// stream does; then it closes the channel.
	watch(ctx context.Context, keys [][]byte) (<-chan protocol.WatchOutput, error)
}

// backendDatabase goes straight to a backend.
type backendDatabase struct{ backend kvconnect.Backend }

func (d backendDatabase) snapshotRead(ctx context.Context, read protocol.SnapshotRead) (protocol.SnapshotReadOutput, error) {
	return d.backend.SnapshotRead(ctx, read)
}

func (d backendDatabase) atomicWrite(ctx context.Context, write protocol.AtomicWrite) (protocol.AtomicWriteOutput, error) {
	return d.backend.AtomicWrite(ctx, write)
}

func (d backendDatabase) watch(ctx context.Context, keys [][]byte) (<-chan protocol.WatchOutput, error) {
	changed := make(chan struct{}, 1)
	changed <- struct{}{} // for the first state, which is there to be read
	watcher, err := d.backend.Watch(protocol.Watch{Keys: keys}, func() {
		select {
		case changed <- struct{}{}:
		default: // the state is not read yet
		}
	})
	if err != nil {
		return nil, err
	}
	states := make(chan protocol.WatchOutput)
	go func() {
		defer close(states)
		defer watcher.Close()
		for {
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
			state, err := watcher.State(ctx)
			if err != nil {
				return // who waits for more finds the channel closed
			}
			select {
			case states <- state:
			case <-ctx.Done():
				return
			}
		}
	}()
	return states, nil
}
