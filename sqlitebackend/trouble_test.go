package sqlitebackend_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/conformance"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
	"github.com/mattn/go-sqlite3"
)

// logText is a log. It is safe for concurrent use.
type logText struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (l *logText) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// troubled is a database that can be brought into trouble.
type troubled struct {
	*sqlitebackend.Backend
	path  string
	clock *conformance.Clock
	log   *logText
}

func openTroubled(t *testing.T) *troubled {
	t.Helper()
	b := &troubled{path: tempPath(t), clock: conformance.NewClock(), log: &logText{}}
	b.Backend = open(t, sqlitebackend.Options{
		Path: b.path, Durability: sqlitebackend.DurabilityNormal, // a sync takes long
		Clock: b.clock, Logger: slog.New(slog.NewTextHandler(b.log, nil)),
	})
	return b
}

// forbid makes writes fail, or lets them succeed again.
func (b *troubled) forbid(t *testing.T, forbidden bool) {
	t.Helper()
	if err := b.ForbidWrites(t.Context(), forbidden); err != nil {
		t.Fatal(err)
	}
}

// refuse makes a write that must fail.
func (b *troubled) refuse(t *testing.T, want error) {
	t.Helper()
	output, err := b.AtomicWrite(t.Context(), protocol.AtomicWrite{Mutations: []protocol.Mutation{set("refused", "1")}})
	if !errors.Is(err, want) || output.Status == protocol.AtomicWriteCommitted {
		t.Errorf("status %v, error %v, want %v", output.Status, err, want)
	}
	wantAbsent(t, b.Backend, "refused")
}

// awaitWell moves the clock from probe to probe until there is no trouble.
func (b *troubled) awaitWell(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); b.Trouble() != nil; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("the trouble is %v", b.Trouble())
		}
		b.clock.Move(sqlitebackend.ProbePause)
	}
}

// wantLogged looks how often the log has a line, which may come a moment after Trouble tells
// of what it says.
func (b *troubled) wantLogged(t *testing.T, line string, want int) {
	t.Helper()
	n := 0
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
		if n = strings.Count(b.log.String(), `msg="`+line+`"`); n >= want {
			break
		}
	}
	if n != want {
		t.Errorf("the log says %q %d times, want %d:\n%s", line, n, want, b.log)
	}
}

func TestTrouble(t *testing.T) {
	t.Parallel()
	b := openTroubled(t)
	if err := b.Trouble(); err != nil {
		t.Error(err)
	}
	first := commit(t, b.Backend, set("a", "1"))
	watcher := watch(t, b.Backend, "refused")
	awaitState(t, watcher, false)
	b.forbid(t, true)
	for range 10 {
		b.refuse(t, protocol.ErrDiskReadOnly)
	}
	if err := b.Trouble(); !errors.Is(err, protocol.ErrDiskReadOnly) {
		t.Errorf("the trouble is %v", err)
	}
	wantValue(t, b.Backend, "a", "1")
	b.wantLogged(t, "writes fail", 1)

	// Writes are tried whatever the trouble; it ends with a probe.
	b.forbid(t, false)
	second := commit(t, b.Backend, set("b", "1"))
	if err := b.Trouble(); !errors.Is(err, protocol.ErrDiskReadOnly) {
		t.Errorf("before a probe the trouble is %v", err)
	}
	b.awaitWell(t)
	b.wantLogged(t, "writes go on again", 1)
	if !strings.Contains(b.log.String(), "failed_writes=10") {
		t.Errorf("the log does not count:\n%s", b.log)
	}
	third := commit(t, b.Backend, set("b", "2"))
	if second != next(first) || third != next(second) {
		t.Errorf("versionstamps %s, %s, %s: there is one between them", first, second, third)
	}
	select {
	case <-watcher.changed:
		t.Error("a watch was told")
	default:
	}
}

// next is the versionstamp after one.
func next(v protocol.Versionstamp) protocol.Versionstamp {
	for i := 7; i >= 0; i-- {
		v[i]++
		if v[i] != 0 {
			break
		}
	}
	return v
}

// Trouble that stays is told of once a minute, and so is one that comes and goes.
func TestLogOfTrouble(t *testing.T) {
	t.Parallel()
	b := openTroubled(t)
	b.forbid(t, true)
	b.refuse(t, protocol.ErrDiskReadOnly)
	b.clock.Move(sqlitebackend.TroubleLogPause - time.Millisecond)
	b.refuse(t, protocol.ErrDiskReadOnly)
	b.wantLogged(t, "writes still fail", 0)
	b.clock.Move(time.Millisecond)
	b.refuse(t, protocol.ErrDiskReadOnly)
	b.wantLogged(t, "writes still fail", 1)
	b.forbid(t, false)
	b.awaitWell(t)
	b.wantLogged(t, "writes go on again", 1)

	b.forbid(t, true)
	b.refuse(t, protocol.ErrDiskReadOnly)
	b.forbid(t, false)
	b.awaitWell(t)
	b.wantLogged(t, "writes fail", 1)
	b.wantLogged(t, "writes go on again", 1)
}

// What a probe does reaches the disk: SQLite writes no page that stays as it is.
func TestProbeWrites(t *testing.T) {
	t.Parallel()
	b := openTroubled(t)
	commit(t, b.Backend, set("a", "1"))
	before := b.RawWALPages(t.Context())
	info, err := os.Stat(b.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.TryDisk(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := b.RawWALPages(t.Context()); after <= before {
		t.Errorf("the WAL had %d pages and has %d", before, after)
	}
	if after, err := os.Stat(b.path); err != nil || after.ModTime().Equal(info.ModTime()) && after.Size() == info.Size() {
		t.Errorf("the file was not written to: %v", err)
	}
	b.forbid(t, true)
	if err := b.TryDisk(t.Context()); !errors.Is(err, protocol.ErrDiskReadOnly) {
		t.Errorf("error %v, want ErrDiskReadOnly", err)
	}
}

// Keys expire in trouble as ever, without a line in the log for each attempt to remove them,
// and are removed afterwards.
func TestExpiryInTrouble(t *testing.T) {
	t.Parallel()
	b := openTroubled(t)
	commit(t, b.Backend, setUntil("a", b.clock.InMs(time.Second)), set("stays", "1"))
	watcher := watch(t, b.Backend, "a")
	awaitState(t, watcher, true)
	b.forbid(t, true)
	for range 5 {
		b.clock.Move(time.Second)
		b.refuse(t, protocol.ErrDiskReadOnly)
	}
	awaitState(t, watcher, false)
	wantAbsent(t, b.Backend, "a")
	b.wantLogged(t, "expiry failed", 0)
	b.wantLogged(t, "writes fail", 1)
	b.forbid(t, false)
	b.awaitWell(t)
	deadline := time.Now().Add(10 * time.Second)
	for n := int64(0); n != 1; runtime.Gosched() {
		b.clock.Move(time.Second)
		var err error
		if n, err = b.StoredKeys(t.Context()); err != nil || time.Now().After(deadline) {
			t.Fatalf("%d keys are left, error %v", n, err)
		}
	}
}

// Writes go on while the WAL cannot be written back, and it is as long as ever afterwards.
func TestCheckpointsInTrouble(t *testing.T) {
	t.Parallel()
	b := openTroubled(t)
	repair := b.FailCheckpoints(sqlite3.Error{Code: sqlite3.ErrIoErr})
	for b.WALPages() < 5*sqlitebackend.CheckpointPages {
		writePages(t, b.Backend, sqlitebackend.CheckpointPages)
	}
	for b.Trouble() == nil {
		runtime.Gosched()
	}
	if err := b.Trouble(); !errors.Is(err, protocol.ErrDiskFailing) {
		t.Errorf("the trouble is %v", err)
	}
	b.wantLogged(t, "checkpoint failed", 0)
	repair()
	b.awaitWell(t)
	for deadline := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		info, err := os.Stat(b.path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the WAL has %d bytes", info.Size())
		}
	}
	commit(t, b.Backend, set("a", "2"))
	wantValue(t, b.Backend, "a", "2")
}

func TestMovedFile(t *testing.T) {
	t.Parallel()
	for _, suffix := range []string{"", "-wal"} {
		t.Run("kv.sqlite"+suffix, func(t *testing.T) {
			t.Parallel()
			b := openTroubled(t)
			commit(t, b.Backend, set("a", "1"))
			path := b.path + suffix
			if err := os.Rename(path, path+".moved"); err != nil {
				t.Fatal(err)
			}
			if err := b.Trouble(); !errors.Is(err, protocol.ErrFileMoved) {
				t.Errorf("the trouble is %v", err)
			}
			b.refuse(t, protocol.ErrFileMoved)
			wantValue(t, b.Backend, "a", "1")
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			b.refuse(t, protocol.ErrFileMoved)
			if info, err := os.Stat(path); err != nil || info.Size() > 0 {
				t.Errorf("what took its place was written to: %v", err)
			}
			if err := os.Rename(path+".moved", path); err != nil {
				t.Fatal(err)
			}
			commit(t, b.Backend, set("b", "1"))
			b.awaitWell(t)
			wantValue(t, b.Backend, "a", "1")
		})
	}
}

// What is written while the file is back at its place is in the file, too, if it is moved a
// second time before a probe.
func TestFileMovedAgain(t *testing.T) {
	t.Parallel()
	b := openTroubled(t)
	wal := b.path + "-wal"
	for _, key := range []string{"a", "b"} {
		commit(t, b.Backend, set(key, "1"))
		if err := os.Rename(wal, wal+".moved"); err != nil {
			t.Fatal(err)
		}
		if err := b.TryDisk(t.Context()); !errors.Is(err, protocol.ErrFileMoved) {
			t.Errorf("error %v, want ErrFileMoved", err)
		}
		if info, err := os.Stat(wal + ".moved"); err != nil || info.Size() > 0 {
			t.Errorf("what was written is in the WAL still, error %v", err)
		}
		if err := os.Rename(wal+".moved", wal); err != nil {
			t.Fatal(err)
		}
	}
}

// slowLog is a log that takes a line when it is told to.
type slowLog struct {
	begun    chan struct{} // has a token for each line that has come
	released chan struct{}
}

func (l slowLog) Write(line []byte) (int, error) {
	l.begun <- struct{}{}
	<-l.released
	return len(line), nil
}

// Who asks for trouble does not wait for the log, which may be on the same disk.
func TestTroubleWithoutTheLog(t *testing.T) {
	t.Parallel()
	log := slowLog{begun: make(chan struct{}, 10), released: make(chan struct{})}
	b := troubled{Backend: open(t, sqlitebackend.Options{
		Path: tempPath(t), Durability: sqlitebackend.DurabilityNormal, Clock: conformance.NewClock(),
		Logger: slog.New(slog.NewTextHandler(log, nil)),
	})}
	b.forbid(t, true)
	var writing sync.WaitGroup
	writing.Go(func() {
		if _, err := b.AtomicWrite(t.Context(), protocol.AtomicWrite{Mutations: []protocol.Mutation{set("a", "1")}}); err == nil {
			t.Error("the write succeeded")
		}
	})
	<-log.begun
	asked := make(chan error, 1)
	go func() { asked <- b.Trouble() }()
	select {
	case err := <-asked:
		if !errors.Is(err, protocol.ErrDiskReadOnly) {
			t.Errorf("the trouble is %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the answer waits for the log")
	}
	close(log.released)
	writing.Wait()
}

// A disk that does not answer is found though nothing fails.
func TestStuckWrite(t *testing.T) {
	t.Parallel()
	b := openTroubled(t)
	release := b.HoldWriter()
	for _, c := range []struct {
		pause time.Duration
		want  error
	}{
		{0, nil}, {sqlitebackend.StuckAfter - 1, nil}, {1, protocol.ErrDiskFailing},
	} {
		b.clock.Move(c.pause)
		if err := b.Trouble(); !errors.Is(err, c.want) {
			t.Errorf("the trouble is %v, want %v", err, c.want)
		}
	}
	release()
	commit(t, b.Backend, set("a", "1"))
	b.clock.Move(sqlitebackend.StuckAfter)
	if err := b.Trouble(); err != nil {
		t.Errorf("the trouble is %v", err)
	}
	// Each turn has a time of its own.
	release = b.HoldWriter()
	b.clock.Move(sqlitebackend.StuckAfter)
	if err := b.Trouble(); err != nil {
		t.Errorf("the trouble is %v", err)
	}
	release()
}

// A database that is closed in trouble leaves no goroutine behind.
func TestCloseInTrouble(t *testing.T) {
	t.Parallel()
	b := openTroubled(t)
	b.forbid(t, true)
	b.refuse(t, protocol.ErrDiskReadOnly)
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if _, err := b.AtomicWrite(t.Context(), protocol.AtomicWrite{}); !errors.Is(err, protocol.ErrClosed) {
		t.Errorf("error %v, want ErrClosed", err)
	}
}
