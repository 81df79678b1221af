package databases

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/protocol"
)

// endedMark is the bit of openDatabase.loans which says that no more loans are given.
const endedMark = 1 << 62

// lastUseStep is how exact the time of the last use is. It keeps requests that come at the
// same time from writing to the same memory more often than they must.
const lastUseStep = time.Millisecond

// openDatabase is a Backend with its loans. Everybody to whom it is lent has this same
// kvconnect.Database, so that a loan takes no memory.
type openDatabase struct {
	pool    *Pool
	id      uuid.UUID
	backend kvconnect.Backend

	// loans is their number, and endedMark. The mark is set once, by who holds pool.mu and
	// closes the backend next. Who counts a loan and then sees the mark takes it back.
	loans atomic.Int64
	// lastUse is the time on the pool's watch.
	lastUse atomic.Int64
}

// lend counts a loan, unless no more are given.
func (d *openDatabase) lend() bool {
	if d.loans.Add(1)&endedMark == 0 {
		return true
	}
	d.loans.Add(-1)
	return false
}

// isLendable tells whether lend counts a loan now.
func (d *openDatabase) isLendable() bool { return d.loans.Load()&endedMark == 0 }

// count is the number of loans.
func (d *openDatabase) count() int { return int(d.loans.Load() &^ endedMark) }

// endUnlent ends the loans if there are none.
func (d *openDatabase) endUnlent() bool { return d.loans.CompareAndSwap(0, endedMark) }

// end ends the loans; those that there are stay until they are released.
func (d *openDatabase) end() { d.loans.Or(endedMark) }

// touch notes that the database is used now.
func (d *openDatabase) touch() {
	now := d.pool.elapsed()
	if now-time.Duration(d.lastUse.Load()) >= lastUseStep {
		d.lastUse.Store(int64(now))
	}
}

// SnapshotRead implements kvconnect.Database.
func (d *openDatabase) SnapshotRead(ctx context.Context, read protocol.SnapshotRead) (protocol.SnapshotReadOutput, error) {
	return d.backend.SnapshotRead(ctx, read)
}

// AtomicWrite implements kvconnect.Database.
func (d *openDatabase) AtomicWrite(ctx context.Context, write protocol.AtomicWrite) (protocol.AtomicWriteOutput, error) {
	return d.backend.AtomicWrite(ctx, write)
}

// Watch implements kvconnect.Database.
func (d *openDatabase) Watch(watch protocol.Watch, changed func()) (protocol.Watcher, error) {
	return d.backend.Watch(watch, changed)
}

// Release implements kvconnect.Database. It panics if it is called more often than the
// database was lent, because somebody else's loan would end by it.
func (d *openDatabase) Release() {
	d.touch() // first, because eviction goes by it once there is no loan
	loans := d.loans.Add(-1)
	switch {
	case loans < 0, loans&(endedMark>>1) != 0:
		d.loans.Add(1)
		panic("databases: a database was released more often than it was lent")
	case loans == 0 && d.pool.waiting.Load() > 0:
		// Whoever waits for room is counted before it looks for a database without loans:
		// either it has seen this one, or it is seen here.
		d.pool.makeRoomOf(d)
	}
}
