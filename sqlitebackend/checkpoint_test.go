package sqlitebackend_test

import (
	"database/sql/driver"
	"log/slog"
	"os"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
	"github.com/mattn/go-sqlite3"
)

// lines counts the lines of a log.
type lines struct{ atomic.Int64 }

func (l *lines) Write(line []byte) (int, error) {
	l.Add(1)
	return len(line), nil
}

// writePages writes values of about so many pages in all, and waits for each.
func writePages(t *testing.T, b *sqlitebackend.Backend, pages int) {
	t.Helper()
	const pageBytes = 4096
	value := string(make([]byte, 8*pageBytes))
	for i := range pages / 8 {
		commit(t, b, set(string(rune('a'+i%16)), value))
	}
}

// awaitCheckpoint writes until the WAL has begun anew.
func awaitCheckpoint(t *testing.T, b *sqlitebackend.Backend) {
	t.Helper()
	for pages := b.WALPages(); ; pages = b.WALPages() {
		commit(t, b, set("a", "1"))
		if b.WALPages() < pages {
			return
		}
		if pages > 100_000 {
			t.Fatal("the WAL has more than 100,000 pages")
		}
	}
}

func TestWALBeginsAnew(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	backend := open(t, sqlitebackend.Options{Path: path})
	for range 3 {
		writePages(t, backend, sqlitebackend.CheckpointPages)
		awaitCheckpoint(t, backend)
	}
	before, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	commit(t, backend, set("a", "1"))
	if after, err := os.Stat(path + "-wal"); err != nil || after.Size() < before.Size() {
		t.Errorf("the WAL was made shorter: %v", err)
	}
}

// A reader keeps the WAL from beginning anew, but not the writers from going on.
func TestReaderHoldsTheWAL(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	var log lines
	backend := open(t, sqlitebackend.Options{Path: path, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	commit(t, backend, set("old", "1"))
	release := holdSnapshot(t, path)
	for pages := int64(0); pages < 3*sqlitebackend.CheckpointPages; pages = backend.WALPages() {
		writePages(t, backend, 100)
		if now := backend.WALPages(); now < pages {
			t.Fatalf("the WAL went from %d pages to %d under a reader", pages, now)
		}
	}
	release()
	writePages(t, backend, sqlitebackend.CheckpointPages)
	awaitCheckpoint(t, backend)
	if n := log.Load(); n > 0 {
		t.Errorf("%d lines were logged", n)
	}
}

// holdSnapshot begins to read the file as another process would.
func holdSnapshot(t *testing.T, path string) (release func()) {
	t.Helper()
	conn, err := (&sqlite3.SQLiteDriver{}).Open("file:" + path)
	if err != nil {
		t.Fatal(err)
	}
	db, ok := conn.(*sqlite3.SQLiteConn)
	if !ok {
		t.Fatalf("the driver gave a %T", conn)
	}
	for _, query := range []string{"begin", "select count(*) from kv"} {
		rows, err := db.Query(query, nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = rows.Next(make([]driver.Value, len(rows.Columns())))
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A checkpoint that fails is told once for many writes, which need none.
func TestFailingCheckpoint(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	var log lines
	backend := open(t, sqlitebackend.Options{Path: path, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	backend.BreakCheckpoints()
	for backend.WALPages() < 2*sqlitebackend.CheckpointPages+1 {
		writePages(t, backend, 8)
	}
	for log.Load() == 0 {
		commit(t, backend, set("a", "1"))
	}
	if n := log.Load(); n > 3 {
		t.Errorf("%d lines were logged", n)
	}
	commit(t, backend, set("a", "2"))
	wantValue(t, backend, "a", "2")
}

// A write that changes nothing says nothing new of the WAL.
func TestFailedChecksNeedNoCheckpoint(t *testing.T) {
	t.Parallel()
	backend := open(t, sqlitebackend.Options{Path: tempPath(t)})
	for backend.RawWALPages(t.Context()) < sqlitebackend.CheckpointPages {
		writePages(t, backend, 8)
	}
	for backend.WALPages() > 0 {
		runtime.Gosched()
	}
	output, err := backend.AtomicWrite(t.Context(), protocol.AtomicWrite{Checks: []protocol.Check{{Key: []byte("a")}}})
	if err != nil || output.Status != protocol.AtomicWriteCheckFailed {
		t.Fatalf("%v, error %v", output, err)
	}
	if pages := backend.WALPages(); pages > 0 {
		t.Errorf("after a write that changed nothing the WAL is taken to have %d pages", pages)
	}
}
