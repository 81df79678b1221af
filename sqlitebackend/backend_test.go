package sqlitebackend_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

func tempPath(t *testing.T) string { return filepath.Join(t.TempDir(), "kv.sqlite") }

func open(t *testing.T, options sqlitebackend.Options) *sqlitebackend.Backend {
	t.Helper()
	backend, err := sqlitebackend.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := backend.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return backend
}

func bytesValue(s string) protocol.Value {
	return protocol.Value{Data: []byte(s), Encoding: protocol.EncodingBytes}
}

func set(key, value string) protocol.Mutation {
	return protocol.Mutation{Type: protocol.MutationSet, Key: []byte(key), Value: bytesValue(value)}
}

func setUntil(key string, expireAtMs int64) protocol.Mutation {
	m := set(key, "1")
	m.ExpireAtMs = expireAtMs
	return m
}

func sum(key string) protocol.Mutation {
	return protocol.Mutation{Type: protocol.MutationSum, Key: []byte(key), Value: protocol.U64Value(1)}
}

func commit(t *testing.T, b *sqlitebackend.Backend, mutations ...protocol.Mutation) protocol.Versionstamp {
	t.Helper()
	output, err := b.AtomicWrite(t.Context(), protocol.AtomicWrite{Mutations: mutations})
	if err != nil || output.Status != protocol.AtomicWriteCommitted {
		t.Fatalf("write: status %v, error %v", output.Status, err)
	}
	return output.Versionstamp
}

// get gives the value of a key, "" and false if it is absent.
func get(t *testing.T, b *sqlitebackend.Backend, key string) (string, bool) {
	t.Helper()
	output, err := b.SnapshotRead(t.Context(), protocol.SnapshotRead{
		Ranges: []protocol.ReadRange{{Start: []byte(key), End: append([]byte(key), 0), Limit: 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(output.Ranges[0]) == 0 {
		return "", false
	}
	return string(output.Ranges[0][0].Value.Data), true
}

func wantValue(t *testing.T, b *sqlitebackend.Backend, key, want string) {
	t.Helper()
	if got, found := get(t, b, key); !found || got != want {
		t.Errorf("%s has the value %q (present: %v), want %q", key, got, found, want)
	}
}

func wantAbsent(t *testing.T, b *sqlitebackend.Backend, key string) {
	t.Helper()
	if got, found := get(t, b, key); found {
		t.Errorf("%s is there, with the value %q", key, got)
	}
}

func TestDataAndIDStayWithTheFile(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	first, err := sqlitebackend.Open(sqlitebackend.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	v := commit(t, first, set("a", "1"))
	id := first.DatabaseID()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the WAL is still there after Close: %v", err)
	}
	second := open(t, sqlitebackend.Options{Path: path})
	wantValue(t, second, "a", "1")
	if second.DatabaseID() != id {
		t.Errorf("the id was %s and is %s after opening again", id, second.DatabaseID())
	}
	if next := commit(t, second, set("b", "2")); slices.Compare(next[:], v[:]) <= 0 {
		t.Errorf("the versionstamp %s after opening again is not above %s", next, v)
	}
}

func TestPathWithSpecialCharacters(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a b?c#d%20&mode=ro.sqlite")
	backend := open(t, sqlitebackend.Options{Path: path})
	commit(t, backend, set("a", "1"))
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

func TestClosedBackend(t *testing.T) {
	t.Parallel()
	backend := open(t, sqlitebackend.Options{Path: tempPath(t)})
	watcher := watch(t, backend, "a")
	if err := backend.Close(); err != nil {
		t.Fatal(err)
	}
	_, stateErr := watcher.State(t.Context())
	_, readErr := backend.SnapshotRead(t.Context(), protocol.SnapshotRead{Ranges: []protocol.ReadRange{{Limit: 1}}})
	_, writeErr := backend.AtomicWrite(t.Context(), protocol.AtomicWrite{})
	_, watchErr := backend.Watch(protocol.Watch{}, func() {})
	for name, err := range map[string]error{"state": stateErr, "read": readErr, "write": writeErr, "watch": watchErr} {
		if !errors.Is(err, protocol.ErrClosed) || !errors.Is(err, protocol.ErrUnavailable) {
			t.Errorf("%s after Close: %v, want ErrClosed", name, err)
		}
	}
}

func TestCloseFinishesQueuedWrites(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	backend := open(t, sqlitebackend.Options{Path: path})
	release := backend.HoldWriter()
	written := make(chan error, 3)
	for _, key := range []string{"a", "b", "c"} {
		go func() {
			_, err := backend.AtomicWrite(context.WithoutCancel(t.Context()), protocol.AtomicWrite{Mutations: []protocol.Mutation{set(key, "1")}})
			written <- err
		}()
	}
	awaitQueued(t, backend, 3)
	closed := make(chan error, 1)
	go func() { closed <- backend.Close() }()
	release()
	for range 3 {
		if err := <-written; err != nil {
			t.Errorf("a write queued before Close: %v", err)
		}
	}
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	again := open(t, sqlitebackend.Options{Path: path})
	for _, key := range []string{"a", "b", "c"} {
		wantValue(t, again, key, "1")
	}
}

// awaitQueued waits until the writer, which is held, has n tasks before it.
func awaitQueued(t *testing.T, b *sqlitebackend.Backend, n int) {
	t.Helper()
	for b.QueuedWrites() < n {
		if t.Context().Err() != nil {
			t.Fatal("the writes do not queue")
		}
		runtime.Gosched()
	}
}

func TestCancelledWriteNeverHappens(t *testing.T) {
	t.Parallel()
	backend := open(t, sqlitebackend.Options{Path: tempPath(t)})
	release := backend.HoldWriter()
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() {
		_, err := backend.AtomicWrite(ctx, protocol.AtomicWrite{Mutations: []protocol.Mutation{set("a", "1")}})
		result <- err
	}()
	awaitQueued(t, backend, 1)
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	release()
	commit(t, backend, set("b", "1"))
	wantAbsent(t, backend, "a")
}

// writeAsGroup has the writes committed together, in order.
func writeAsGroup(t *testing.T, b *sqlitebackend.Backend, writes []protocol.AtomicWrite) ([]protocol.AtomicWriteOutput, []error) {
	t.Helper()
	outputs, errs := make([]protocol.AtomicWriteOutput, len(writes)), make([]error, len(writes))
	release := b.HoldWriter()
	done := make(chan struct{})
	for i, write := range writes {
		go func() {
			outputs[i], errs[i] = b.AtomicWrite(t.Context(), write)
			done <- struct{}{}
		}()
		awaitQueued(t, b, i+1)
	}
	release()
	for range writes {
		<-done
	}
	return outputs, errs
}

// When SQLite runs out of room it gives up the whole transaction. None of the
// group may then be acknowledged or visible, and the database must go on.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	backend := open(t, sqlitebackend.Options{Path: tempPath(t)})
	commit(t, backend, set("old", "1"))
	if err := backend.LimitPages(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	large := string(make([]byte, protocol.MaxValueBytes))
	_, errs := writeAsGroup(t, backend, []protocol.AtomicWrite{
		{Mutations: []protocol.Mutation{set("small", "1")}},
		{Mutations: []protocol.Mutation{set("part", "1"), set("large", large)}},
		{Mutations: []protocol.Mutation{set("after", "1")}},
	})
	if !errors.Is(errs[1], protocol.ErrDiskFull) {
		t.Errorf("the large write: %v, want ErrDiskFull", errs[1])
	}
	if err := errors.Join(errs[0], errs[2]); err != nil {
		t.Errorf("a write that there is room for: %v", err)
	}
	for i, key := range []string{"small", "", "after"} {
		if key == "" {
			continue
		}
		if _, found := get(t, backend, key); found != (errs[i] == nil) {
			t.Errorf("%s: error %v, but present: %v", key, errs[i], found)
		}
	}
	wantAbsent(t, backend, "part")
	wantAbsent(t, backend, "large")
	wantValue(t, backend, "old", "1")
	if err := backend.LimitPages(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	commit(t, backend, set("large", large))
	wantValue(t, backend, "large", large)
}
