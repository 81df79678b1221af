package sqlitebackend

import (
	"context"
	"errors"
	"fmt"

	"github.com/kvconnect/kvconnect/protocol"
)

// Gauges is what can be told of a database at any time, without reading it.
type Gauges struct {
	// FileBytes and WALBytes are the sizes of the file and of the WAL beside it, 0 for one
	// that is not there.
	FileBytes, WALBytes int64
	// Keys is what the last CountKeys found, -1 before the first.
	Keys int64
	// ReadOnly is that of the Options.
	ReadOnly bool
}

// Gauges asks the file system for the sizes and waits for nothing else. It works after Close
// too.
func (b *Backend) Gauges() (Gauges, error) {
	g := Gauges{Keys: b.keys.last.Load(), ReadOnly: b.writer == nil}
	var err, walErr error
	g.FileBytes, err = fileBytes(b.path)
	g.WALBytes, walErr = fileBytes(b.path + "-wal")
	if err = errors.Join(err, walErr); err != nil {
		return Gauges{}, fmt.Errorf("read file sizes: %w", err)
	}
	return g, nil
}

// CountKeys counts the keys in the file for Gauges, expired ones that are still there
// included. It takes some milliseconds for a million of them, more if they are read from the
// disk, and none of the connections for reads; a checkpoint that falls into that time leaves
// the WAL to the next one. Close does not wait for it, but ends it: the error is
// protocol.ErrClosed then. If ctx ends, it is ctx's.
func (b *Backend) CountKeys(ctx context.Context) error {
	err := b.keys.count(ctx)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil, errors.Is(err, protocol.ErrClosed):
		return fmt.Errorf("count keys: %w", err)
	default:
		return mark("count keys", err)
	}
}
