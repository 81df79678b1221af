package control

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"
)

// Store is an open control database. It is safe for concurrent use.
//
// What changes something waits for other changes and for the disk. A context that is done
// by then keeps a change from beginning; one that has begun is brought to its end. After an
// error a change was not made, with one exception: if the disk fails at the very end of it,
// the file may have it nevertheless, which shows when it is opened the next time.
//
// What only looks does not wait for changes, and goes on to work after Close.
type Store struct {
	db   *sql.DB
	now  func() time.Time
	path string
	info fs.FileInfo // of the file that is open

	// writing is held from the first look at what is to be changed until the mirror shows
	// the change.
	writing sync.Mutex
	conn    *sql.Conn // guarded by writing; nil after Close

	checking chan struct{} // has a token while Check reads

	mu sync.RWMutex
	// mirror is guarded by mu, which is never held while waiting for the disk. Only who
	// holds writing changes it, and may therefore read it with that alone.
	mirror mirror
}

// transact runs write in a transaction of its own. The caller holds writing.
func (s *Store) transact(ctx context.Context, write func(ctx context.Context, tx *sql.Tx) error) error {
	if s.conn == nil {
		return ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// Were it interrupted, one could not tell whether it was made.
	ctx = context.WithoutCancel(ctx)
	tx, err := s.conn.BeginTx(ctx, nil)
	if err != nil {
		return explain(err)
	}
	if err := write(ctx, tx); err != nil {
		_ = tx.Rollback() // it fails if SQLite has done so already, as it does on a full disk
		return explain(err)
	}
	if err := s.mustBeInPlace(); err != nil {
		_ = tx.Rollback() // nothing is written yet
		return err
	}
	return explain(tx.Commit())
}

// show makes a change in the mirror that is in the file. The caller holds writing.
func (s *Store) show(change func(m *mirror)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.mirror)
}

// Close writes what FlushLastUsed does and gives the file free, even if it fails. Closing
// twice does nothing.
func (s *Store) Close() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.conn == nil {
		return nil
	}
	err := s.flushLastUsed(context.Background())
	err = errors.Join(err, s.conn.Close(), s.db.Close())
	s.conn = nil
	if err != nil {
		return fmt.Errorf("close control database: %w", err)
	}
	return nil
}
