package sqlitebackend

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/kvconnect/kvconnect/protocol"
)

// HoldWriter keeps the writer busy until release is called, so that a test can
// queue writes that end up in one group.
func (b *Backend) HoldWriter() (release func()) {
	held, released := make(chan struct{}), make(chan struct{})
	go func() {
		_ = b.writer.do(context.Background(), 0, func(*groupTx) error {
			close(held)
			<-released
			return nil
		})
	}()
	<-held
	return func() { close(released) }
}

// PanicInWrite panics amid a write.
func (b *Backend) PanicInWrite(ctx context.Context, mutation protocol.Mutation) {
	_ = b.writer.do(ctx, 0, func(tx *groupTx) error {
		if err := tx.mutate(mutation, tx.nextVersion()); err != nil {
			return err
		}
		panic("amid a write")
	})
}

// LoseTransaction has SQLite give up the transaction of a group, and fails.
func (b *Backend) LoseTransaction(ctx context.Context) error {
	return b.writer.do(ctx, 0, func(tx *groupTx) error {
		return errors.Join(errors.New("the transaction is lost"), tx.conn.script("rollback"))
	})
}

// QueuedWrites tells how many writes wait for the writer.
func (b *Backend) QueuedWrites() int { return b.writer.queue.length() }

// WatchedKeys tells how many keys have watches.
func (b *Backend) WatchedKeys() int {
	b.hub.mu.Lock()
	defer b.hub.mu.Unlock()
	return len(b.hub.first)
}

// LimitPages bounds the size of the file as a full disk would; 0 lifts it.
func (b *Backend) LimitPages(ctx context.Context, extra int64) error {
	return b.writer.do(ctx, 0, func(tx *groupTx) error {
		pages, err := tx.conn.queryInt("pragma page_count")
		if err != nil {
			return err
		}
		limit := int64(1 << 30)
		if extra > 0 {
			limit = pages + extra
		}
		return tx.conn.script(fmt.Sprintf("pragma max_page_count = %d", limit))
	})
}

// WritePragma gives an integer setting of the connection that writes.
func (b *Backend) WritePragma(ctx context.Context, name string) (value int64, err error) {
	err = b.writer.do(ctx, 0, func(tx *groupTx) error {
		value, err = tx.conn.queryInt("pragma " + name)
		return err
	})
	return value, err
}

// AnnouncedAtOnce is how many keys that expire are looked up at once.
const AnnouncedAtOnce = announcedAtOnce

// CheckpointPages is the length of the WAL from which on it is written back.
const CheckpointPages = checkpointPages

// BreakCheckpoints makes every checkpoint fail until the database is closed.
// There must have been none.
func (b *Backend) BreakCheckpoints() {
	b.writer.checkpoint.open = func() (*conn, error) { return nil, errors.New("the test lets no connection be opened") }
}

// FailCheckpoints makes checkpoints fail with the error until they are repaired. There must
// have been none.
func (b *Backend) FailCheckpoints(err error) (repair func()) {
	var repaired atomic.Bool
	open := b.writer.checkpoint.open
	b.writer.checkpoint.open = func() (*conn, error) {
		if !repaired.Load() {
			return nil, err
		}
		return open()
	}
	return func() { repaired.Store(true) }
}

// ForbidWrites makes SQLite refuse all writes as those to a file that is read-only.
func (b *Backend) ForbidWrites(ctx context.Context, forbidden bool) error {
	if err := b.writer.queue.await(ctx, newTask(nil, 0)); err != nil {
		return err
	}
	defer b.writer.queue.pass()
	return b.writer.conn.script(fmt.Sprintf("pragma query_only = %t", forbidden))
}

// TryDisk does what a probe does.
func (b *Backend) TryDisk(ctx context.Context) (err error) {
	if err := b.writer.probe(ctx, func(outcome error) { err = outcome }); err != nil {
		return err
	}
	return err
}

// ProbePause is the time between two probes.
const ProbePause = probePause

// StuckAfter is how long one turn may last.
const StuckAfter = stuckAfter

// TroubleLogPause is the least time between two lines about the same trouble.
const TroubleLogPause = troubleLogPause

// WALPages is the number of pages in the WAL after the last commit.
func (b *Backend) WALPages() int64 { return b.writer.checkpoint.walPages.Load() }

// RawWALPages is that number as SQLite tells it, which knows nothing of checkpoints.
func (b *Backend) RawWALPages(ctx context.Context) (pages int) {
	_ = b.writer.do(ctx, 0, func(tx *groupTx) error {
		pages = tx.conn.raw.WALPages()
		return nil
	})
	return pages
}

// StoredKeys counts the keys in the file, expired ones included.
func (b *Backend) StoredKeys(ctx context.Context) (n int64, err error) {
	err = b.reads.use(ctx, func(c *conn) error {
		n, err = c.queryInt("select count(*) from kv")
		return err
	})
	return n, err
}

// HoldRead keeps one of the connections for reads busy until release is called.
func (b *Backend) HoldRead() (release func()) {
	held, released, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		_ = b.reads.use(context.Background(), func(*conn) error {
			close(held)
			<-released
			return nil
		})
	}()
	<-held
	return func() {
		close(released)
		<-done
	}
}

// WaitingReads tells how many reads wait for a connection.
func (b *Backend) WaitingReads() int {
	b.reads.mu.Lock()
	defer b.reads.mu.Unlock()
	return len(b.reads.waiting)
}
