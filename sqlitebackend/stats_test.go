package sqlitebackend_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/kvconnect/kvconnect/conformance"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

func TestStats(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	clock := conformance.NewClock()
	backend := open(t, sqlitebackend.Options{Path: path, Clock: clock})
	if s := stats(t, backend); s.Keys != 0 || s.ExpiringKeys != 0 || s.FileBytes <= 0 || s.UsedBytes != s.FileBytes {
		t.Errorf("an empty database: %+v", s)
	}
	for i := range 50 {
		commit(t, backend, setBytes(fmt.Sprint("key", i), 10_000))
	}
	commit(t, backend, setUntil("soon", clock.InMs(time.Second)), setUntil("late", clock.InMs(time.Hour)))
	filled := stats(t, backend)
	if filled.Keys != 52 || filled.ExpiringKeys != 2 || filled.UsedBytes < 500_000 || filled.WALBytes < 500_000 {
		t.Errorf("a database of 52 keys, 2 of which expire: %+v", filled)
	}
	for i := range 25 {
		commit(t, backend, remove(fmt.Sprint("key", i)))
	}
	clock.Move(2 * time.Second)
	s := stats(t, backend)
	if s.Keys != 26 || s.ExpiringKeys != 1 || s.FileBytes != filled.FileBytes || s.UsedBytes > filled.UsedBytes-200_000 {
		t.Errorf("after 25 keys were deleted and one expired: %+v", s)
	}
	if err := backend.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != s.FileBytes {
		t.Errorf("the file has %d bytes, not %d (%v)", info.Size(), s.FileBytes, err)
	}
	if _, err := backend.Stats(t.Context()); !errors.Is(err, protocol.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	readOnly := stats(t, open(t, sqlitebackend.Options{Path: path, Clock: clock, ReadOnly: true}))
	s.WALBytes = 0
	if diff := cmp.Diff(s, readOnly); diff != "" {
		t.Errorf("open for reading only (-before +after):\n%s", diff)
	}
}

func TestStatsEndWithTheContext(t *testing.T) {
	t.Parallel()
	backend := open(t, sqlitebackend.Options{Path: tempPath(t), ReadConns: 1})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s, err := backend.Stats(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, protocol.ErrUnavailable) || s != (sqlitebackend.Stats{}) {
		t.Errorf("%+v, error %v", s, err)
	}
	wantAbsent(t, backend, "a") // the one connection is in order
}
