package sqlitebackend_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/kvconnect/kvconnect/conformance"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// smallDisk is a file system of 4 MiB, which only root can make.
func smallDisk(t *testing.T) (folder string) {
	t.Helper()
	folder = t.TempDir()
	if err := syscall.Mount("none", folder, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("a file system cannot be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(folder, 0); err != nil {
			t.Error(err)
		}
	})
	return folder
}

// On a full disk further connections are opened for reads that come at once. It stays full
// until there is room for more than a small write.
func TestReadsOnAFullDisk(t *testing.T) {
	t.Parallel()
	folder := smallDisk(t)
	var log lines
	clock := conformance.NewClock()
	backend := open(t, sqlitebackend.Options{
		Path: filepath.Join(folder, "kv.sqlite"), Clock: clock, Logger: slog.New(slog.NewTextHandler(&log, nil)), ReadConns: 8,
	})
	mutations := make([]protocol.Mutation, 500)
	for i := range mutations {
		mutations[i] = set(strconv.Itoa(i), "1")
	}
	commit(t, backend, mutations...)
	ballast := filepath.Join(folder, "ballast")
	out, err := os.Create(ballast)
	for page := make([]byte, 4096); err == nil; {
		_, err = out.Write(page)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 50 {
				output, err := backend.SnapshotRead(t.Context(), protocol.SnapshotRead{
					Ranges: []protocol.ReadRange{{Start: []byte{0}, End: []byte{255}, Limit: 1000}},
				})
				if err != nil || len(output.Ranges[0]) != 500 {
					t.Errorf("a read gave %v", err)
				}
			}
		})
	}
	wait.Wait()
	if n := log.Load(); n > 0 {
		t.Errorf("%d lines in the log", n)
	}
	large := set("large", string(make([]byte, protocol.MaxValueBytes)))
	for err = nil; err == nil; { // until the WAL is as long as it can be
		_, err = backend.AtomicWrite(t.Context(), protocol.AtomicWrite{Mutations: []protocol.Mutation{large}})
	}
	if !errors.Is(err, protocol.ErrDiskFull) || !errors.Is(backend.Trouble(), protocol.ErrDiskFull) {
		t.Errorf("error %v, trouble %v", err, backend.Trouble())
	}
	info, err := os.Stat(ballast)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(ballast, info.Size()-512<<10); err != nil { // less than it takes
		t.Fatal(err)
	}
	if err := backend.TryDisk(t.Context()); !errors.Is(err, protocol.ErrDiskFull) {
		t.Errorf("error %v, want ErrDiskFull", err)
	}
	commit(t, backend, large)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := backend.TryDisk(t.Context()); err != nil {
		t.Error(err)
	}
}

// A file on a disk that can only be read is told from one that this user may not write to.
func TestOpenOnAReadOnlyDisk(t *testing.T) {
	t.Parallel()
	folder := smallDisk(t)
	path := filepath.Join(folder, "kv.sqlite")
	backend, err := sqlitebackend.Open(sqlitebackend.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	commit(t, backend, set("a", "1"))
	if err := backend.Close(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("none", folder, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	backend, err = sqlitebackend.Open(sqlitebackend.Options{Path: path})
	if err == nil {
		t.Fatal(errors.Join(errors.New("it was opened for writing"), backend.Close()))
	}
	if !errors.Is(sqlitebackend.DiskError(err), protocol.ErrDiskReadOnly) || !strings.Contains(err.Error(), "use --read-only") {
		t.Errorf("error %v", err)
	}
	if backend, err = sqlitebackend.Open(sqlitebackend.Options{Path: path, ReadOnly: true}); err != nil {
		t.Fatal(err)
	}
	wantValue(t, backend, "a", "1")
	if err := errors.Join(backend.Trouble(), backend.Close()); err != nil {
		t.Error(err)
	}
}
