package databases_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/databases"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/protocol"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// numbered gives the id of a database that a test calls by a number.
func numbered(n int) uuid.UUID { return uuid.UUID{15: byte(n)} }

// shelf has databases without data, and notes what a pool does with them that it must not.
// It is safe for concurrent use.
type shelf struct {
	// opening and closing are called, if they are not nil, before a database is opened and
	// closed, and may wait or fail.
	opening func(ctx context.Context, n int) error
	closing func(n int) error

	mu      sync.Mutex
	held    map[uuid.UUID]bool // guarded by mu, and so are all below: being opened, open, being closed
	opens   []int              // in order
	closes  []int
	most    int // held at once
	now     int // in Open
	mostNow int
	faults  []string
}

func newShelf() *shelf { return &shelf{held: make(map[uuid.UUID]bool)} }

// Open is databases.Options.Open.
func (s *shelf) Open(ctx context.Context, id uuid.UUID) (kvconnect.Backend, error) {
	n := int(id[15])
	s.mu.Lock()
	if s.held[id] {
		s.faults = append(s.faults, fmt.Sprintf("%d was opened twice", n))
	}
	s.held[id] = true
	s.opens = append(s.opens, n)
	s.most = max(s.most, len(s.held))
	s.now++
	s.mostNow = max(s.mostNow, s.now)
	s.mu.Unlock()
	var err error
	opened := false
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.now--
		if !opened {
			delete(s.held, id)
		}
	}()
	if s.opening != nil {
		err = s.opening(ctx, n)
	}
	if err != nil {
		return nil, err
	}
	opened = true
	return &backend{shelf: s, id: id}, nil
}

func (s *shelf) opened() []int { return s.locked(func() []int { return slices.Clone(s.opens) }) }
func (s *shelf) closed() []int { return s.locked(func() []int { return slices.Clone(s.closes) }) }

func (s *shelf) locked(f func() []int) []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return f()
}

// verify fails the test if the pool did what it must not, or left something open.
func (s *shelf) verify(tb testing.TB, maxOpen int) {
	tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, fault := range s.faults[:min(10, len(s.faults))] {
		tb.Error(fault)
	}
	if len(s.held) > 0 {
		tb.Errorf("%d databases are left open", len(s.held))
	}
	if s.most > maxOpen {
		tb.Errorf("%d databases were open at once, %d may be", s.most, maxOpen)
	}
	if s.mostNow > 4 {
		tb.Errorf("%d databases were being opened at once", s.mostNow)
	}
}

// backend is a kvconnect.Backend of a shelf.
type backend struct {
	shelf *shelf
	id    uuid.UUID

	use    sync.RWMutex // held by requests under way
	closed bool         // guarded by use
}

func (b *backend) request() error {
	b.use.RLock()
	defer b.use.RUnlock()
	if b.closed {
		return protocol.ErrClosed
	}
	return nil
}

func (b *backend) SnapshotRead(context.Context, protocol.SnapshotRead) (protocol.SnapshotReadOutput, error) {
	return protocol.SnapshotReadOutput{}, b.request()
}

func (b *backend) AtomicWrite(context.Context, protocol.AtomicWrite) (protocol.AtomicWriteOutput, error) {
	return protocol.AtomicWriteOutput{}, b.request()
}

func (b *backend) Watch(protocol.Watch, func()) (protocol.Watcher, error) {
	return watcher{b}, b.request()
}

func (b *backend) Close() error {
	b.use.Lock()
	if b.closed {
		b.shelf.locked(func() []int { b.shelf.faults = append(b.shelf.faults, "closed twice"); return nil })
	}
	b.closed = true
	b.use.Unlock()
	n := int(b.id[15])
	defer func() {
		b.shelf.mu.Lock()
		defer b.shelf.mu.Unlock()
		b.shelf.closes = append(b.shelf.closes, n)
		delete(b.shelf.held, b.id)
	}()
	if b.shelf.closing != nil {
		return b.shelf.closing(n)
	}
	return nil
}

type watcher struct{ *backend }

func (w watcher) State(context.Context) (protocol.WatchOutput, error) {
	return protocol.WatchOutput{}, w.request()
}

func (watcher) Close() {}

// testClock stands still until it is moved. It is safe for concurrent use.
type testClock struct {
	mu     sync.Mutex
	now    time.Time                    // guarded by mu
	timers map[chan time.Time]time.Time // guarded by mu
}

func newTestClock() *testClock {
	return &testClock{now: time.UnixMilli(1_700_000_000_000), timers: make(map[chan time.Time]time.Time)}
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *testClock) NewTimerAt(at time.Time) (fired <-chan time.Time, stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	timer := make(chan time.Time, 1)
	c.timers[timer] = at
	c.fire()
	return timer, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		_, waits := c.timers[timer]
		delete(c.timers, timer)
		return waits
	}
}

// move lets time pass, and returns when all that it sets off is done. It can be called in a
// bubble alone.
func (c *testClock) move(d time.Duration) {
	synctest.Wait()
	c.mu.Lock()
	c.now = c.now.Add(d)
	c.fire()
	c.mu.Unlock()
	synctest.Wait()
}

// fire wants mu held.
func (c *testClock) fire() {
	for timer, at := range c.timers {
		if !at.After(c.now) {
			timer <- c.now
			delete(c.timers, timer)
		}
	}
}

// armed is how many timers wait.
func (c *testClock) armed() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.timers)
}

// log keeps what is logged. It is safe for concurrent use.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// lines gives those logged since the last call.
func (l *log) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.text.Reset()
	return strings.FieldsFunc(l.text.String(), func(r rune) bool { return r == '\n' })
}

// fixture is a pool with all around it.
type fixture struct {
	*databases.Pool
	shelf *shelf
	clock *testClock
	log   *log
}

// bubble runs a test in a bubble of package synctest, with a pool for maxOpen databases that
// is closed in the end.
func bubble(t *testing.T, maxOpen int, test func(t *testing.T, f fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := fixture{shelf: newShelf(), clock: newTestClock(), log: new(log)}
		f.Pool = databases.Open(databases.Options{
			Open: f.shelf.Open, MaxOpen: maxOpen, IdleTimeout: idleTimeout, WaitTimeout: waitTimeout,
			Clock: f.clock, Logger: slog.New(slog.NewTextHandler(f.log, nil)),
		})
		test(t, f)
		_ = f.Close() // the test has looked at its error if it means something
		f.shelf.verify(t, maxOpen)
	})
}

const (
	idleTimeout = 10 * time.Minute
	waitTimeout = 5 * time.Second
)

// lend borrows a database that is to be had.
func (f fixture) lend(t *testing.T, n int) kvconnect.Database {
	t.Helper()
	database, err := f.Lend(t.Context(), numbered(n))
	if err != nil {
		t.Fatalf("lend %d: %v", n, err)
	}
	return database
}

// use borrows a database for a moment, after which time passes.
func (f fixture) use(t *testing.T, n int) {
	t.Helper()
	database := f.lend(t, n)
	if err := read(t.Context(), database); err != nil {
		t.Errorf("read %d: %v", n, err)
	}
	database.Release()
	f.clock.move(time.Second)
}

func read(ctx context.Context, database kvconnect.Database) error {
	_, err := database.SnapshotRead(ctx, protocol.SnapshotRead{})
	return err
}

// asker has asked for a database.
type asker struct {
	cancel   context.CancelFunc
	done     chan struct{}
	database kvconnect.Database
	err      error
}

// ask lets somebody ask for a database, and returns when they have it or wait.
func (f fixture) ask(t *testing.T, n int) *asker {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	a := &asker{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer cancel()
		defer close(a.done)
		a.database, a.err = f.Lend(ctx, numbered(n))
	}()
	synctest.Wait()
	return a
}

// waits tells whether the asker has no answer yet.
func (a *asker) waits() bool {
	synctest.Wait()
	select {
	case <-a.done:
		return false
	default:
		return true
	}
}

// take gives the database that the asker must have by now.
func (a *asker) take(t *testing.T) kvconnect.Database {
	t.Helper()
	if a.waits() {
		t.Fatal("the asker still waits")
	}
	if a.err != nil {
		t.Fatal(a.err)
	}
	return a.database
}

func want(t *testing.T, what string, got, want []int) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}
