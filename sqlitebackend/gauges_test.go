package sqlitebackend_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

func gauges(t *testing.T, b *sqlitebackend.Backend) sqlitebackend.Gauges {
	t.Helper()
	g, err := b.Gauges()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestGauges(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	backend := open(t, sqlitebackend.Options{Path: path, ReadConns: 1})
	commit(t, backend, set("a", "1"), set("b", "1"), setBytes("c", 50_000))
	wal, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	if g := gauges(t, backend); g.Keys != -1 || g.FileBytes <= 0 || g.WALBytes != wal.Size() || g.ReadOnly {
		t.Errorf("before a count: %+v, the WAL has %d bytes", g, wal.Size())
	}
	release := backend.HoldRead() // it does without
	if err := backend.CountKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	release()
	commit(t, backend, set("d", "1"))
	if g := gauges(t, backend); g.Keys != 3 {
		t.Errorf("after a count of 3: %+v", g)
	}
	if err := backend.CountKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := backend.CountKeys(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, protocol.ErrUnavailable) {
		t.Errorf("after the end of the context: %v", err)
	}
	if err := backend.Close(); err != nil {
		t.Fatal(err)
	}
	if err := backend.CountKeys(t.Context()); !errors.Is(err, protocol.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if g := gauges(t, backend); g.Keys != 4 || g.WALBytes != 0 || g.FileBytes < 50_000 {
		t.Errorf("after Close: %+v", g)
	}
	readOnly := open(t, sqlitebackend.Options{Path: path, ReadOnly: true})
	if err := readOnly.CountKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	if g := gauges(t, readOnly); g.Keys != 4 || !g.ReadOnly {
		t.Errorf("open for reading only: %+v", g)
	}
}

// The file is gone, and so is its size; what cannot be counted is said.
func TestGaugesOfAFileThatIsGone(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	backend := open(t, sqlitebackend.Options{Path: path})
	if err := os.Rename(path, path+".moved"); err != nil {
		t.Fatal(err)
	}
	if g := gauges(t, backend); g.FileBytes != 0 {
		t.Errorf("%+v", g)
	}
	if err := backend.CountKeys(t.Context()); !errors.Is(err, protocol.ErrFileMoved) {
		t.Errorf("count: %v", err)
	}
	if err := os.Rename(path+".moved", path); err != nil {
		t.Fatal(err)
	}
}
