package kvconnect_test

import (
	"context"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/protocol"
)

var _ kvconnect.Databases = (*lendingDatabases)(nil)

// lendingDatabases lends backends and sees that all of them come back, once, with nothing
// going on. It is safe for concurrent use.
type lendingDatabases struct {
	tb testing.TB

	mu       sync.Mutex
	backends map[uuid.UUID]kvconnect.Backend // guarded by mu, and so are all below
	closed   bool                            // they are opened by Lend
	err      error                           // of Lend
	lent     int
	onLoan   int
	returned sync.Cond // onLoan is 0
}

// newLendingDatabases lends one, at first.
func newLendingDatabases(tb testing.TB, id uuid.UUID, backend kvconnect.Backend) *lendingDatabases {
	tb.Helper()
	d := &lendingDatabases{tb: tb, backends: map[uuid.UUID]kvconnect.Backend{id: backend}}
	d.returned.L = &d.mu
	return d
}

func (d *lendingDatabases) Lend(ctx context.Context, id uuid.UUID) (kvconnect.Database, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return nil, d.err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	backend := d.backends[id]
	if backend == nil {
		return nil, protocol.ErrUnknownDatabase
	}
	d.lent++
	d.onLoan++
	return &loan{databases: d, backend: backend}, nil
}

func (d *lendingDatabases) IsOpen(uuid.UUID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.closed
}

func (*lendingDatabases) Check(context.Context) error { return nil }

// fail has Lend fail.
func (d *lendingDatabases) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

// loans gives how many there were, and how many there are.
func (d *lendingDatabases) loans() (lent, onLoan int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lent, d.onLoan
}

// waitForAll waits until all are back.
func (d *lendingDatabases) waitForAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.onLoan > 0 {
		d.returned.Wait()
	}
}

// loan is a backend on loan.
type loan struct {
	databases *lendingDatabases
	backend   kvconnect.Backend

	mu       sync.Mutex
	released bool // guarded by mu
	underWay int  // calls and watches; guarded by mu
}

// begin notes that something goes on until end is called.
func (l *loan) begin(what string) (end func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.released {
		l.databases.tb.Errorf("%s after the release", what)
	}
	l.underWay++
	return sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.underWay--
	})
}

func (l *loan) SnapshotRead(ctx context.Context, read protocol.SnapshotRead) (protocol.SnapshotReadOutput, error) {
	end := l.begin("a read")
	defer end()
	return l.backend.SnapshotRead(ctx, read)
}

func (l *loan) AtomicWrite(ctx context.Context, write protocol.AtomicWrite) (protocol.AtomicWriteOutput, error) {
	end := l.begin("a write")
	defer end()
	return l.backend.AtomicWrite(ctx, write)
}

func (l *loan) Watch(watch protocol.Watch, changed func()) (protocol.Watcher, error) {
	end := l.begin("a watch")
	watcher, err := l.backend.Watch(watch, changed)
	if err != nil {
		end()
		return nil, err
	}
	return loanedWatcher{watcher, end}, nil
}

func (l *loan) Release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.released || l.underWay > 0 {
		l.databases.tb.Errorf("released again is %v; %d calls and watches go on", l.released, l.underWay)
	}
	l.released = true
	l.databases.mu.Lock()
	defer l.databases.mu.Unlock()
	l.databases.onLoan--
	if l.databases.onLoan == 0 {
		l.databases.returned.Broadcast()
	}
}

type loanedWatcher struct {
	protocol.Watcher
	end func()
}

func (w loanedWatcher) Close() {
	w.Watcher.Close()
	w.end()
}
