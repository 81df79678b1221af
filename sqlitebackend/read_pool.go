package sqlitebackend

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"

	"github.com/kvconnect/kvconnect/protocol"
)

const (
	// The conditions come down to a walk of the primary key. The plus keeps the
	// planner from the index on expiration_ms, and there is no LIMIT because a
	// bound one makes SQLite prepare the statement anew each time.
	selectRange = `select k, v, v_encoding, version, expiration_ms from kv
		where k >= ?1 and k < ?2 and (+expiration_ms < 0 or +expiration_ms > ?3) order by k`
	selectRangeReverse = selectRange + ` desc`

	selectEntry = `select k, v, v_encoding, version, expiration_ms from kv
		where k = ?1 and (+expiration_ms < 0 or +expiration_ms > ?2)`
)

// readPool lends read connections to snapshot reads. It is safe for concurrent
// use.
type readPool struct {
	clock *expiryClock
	size  int
	idle  chan *conn

	closed    chan struct{}
	closeOnce sync.Once
}

func openReadPool(path, mode string, size int, clock *expiryClock) (*readPool, error) {
	p := &readPool{clock: clock, size: size, idle: make(chan *conn, size), closed: make(chan struct{})}
	for range size {
		c, err := openConn(path, mode, busyTimeout, "query_only = true", "cache_size = -16384")
		if err != nil {
			p.size = len(p.idle)
			return nil, errors.Join(err, p.close())
		}
		p.idle <- c
	}
	return p, nil
}

// close waits for the connections lent out.
func (p *readPool) close() error {
	p.closeOnce.Do(func() { close(p.closed) })
	errs := make([]error, 0, p.size)
	for range p.size {
		errs = append(errs, (<-p.idle).close())
	}
	return errors.Join(errs...)
}

// use lends a connection to f. It fails with protocol.ErrClosed or the error of
// ctx if there is none to be had.
func (p *readPool) use(ctx context.Context, f func(*conn) error) error {
	select {
	case <-p.closed:
		return protocol.ErrClosed
	default:
	}
	select {
	case c := <-p.idle:
		defer func() { p.idle <- c }()
		return f(c)
	case <-p.closed:
		return protocol.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// snapshot runs f within one read transaction; a single statement is one anyway.
// It runs f again if a key expired just when the snapshot was taken.
func (p *readPool) snapshot(ctx context.Context, statements int, f func(*conn, *snapshotTime) error) error {
	for {
		err := p.snapshotOnce(ctx, statements, f)
		if !errors.Is(err, errUndecided) {
			return err
		}
	}
}

func (p *readPool) snapshotOnce(ctx context.Context, statements int, f func(*conn, *snapshotTime) error) error {
	return p.use(ctx, func(c *conn) (err error) {
		if statements > 1 {
			if err := c.exec("begin"); err != nil {
				return err
			}
			defer func() {
				err = errors.Join(err, c.exec("commit"))
				if !c.db.AutoCommit() { // or the next reader gets this snapshot again
					err = errors.Join(err, c.exec("rollback"))
				}
			}()
		}
		return f(c, &snapshotTime{clock: p.clock, beforeMs: p.clock.nowMs()})
	})
}

func (p *readPool) snapshotRead(ctx context.Context, read protocol.SnapshotRead) (protocol.SnapshotReadOutput, error) {
	output := protocol.SnapshotReadOutput{Ranges: make([][]protocol.Entry, len(read.Ranges))}
	err := p.snapshot(ctx, len(read.Ranges), func(c *conn, at *snapshotTime) error {
		for i, r := range read.Ranges {
			if err := ctx.Err(); err != nil {
				return err
			}
			entries, err := readRange(c, r, at)
			if err != nil {
				return fmt.Errorf("range %d: %w", i, err)
			}
			output.Ranges[i] = entries
		}
		return nil
	})
	if err != nil {
		return protocol.SnapshotReadOutput{}, readError(ctx, err)
	}
	return output, nil
}

func readRange(c *conn, r protocol.ReadRange, at *snapshotTime) ([]protocol.Entry, error) {
	query := selectRange
	if r.Reverse {
		query = selectRangeReverse
	}
	var entries []protocol.Entry
	var scanErr error
	err := c.query(query, []driver.Value{blob(r.Start), blob(r.End), at.beforeMs}, func(columns []driver.Value) bool {
		entry, err := scanEntry(columns, at)
		if err != nil {
			scanErr = err
			return false
		}
		entries = append(entries, entry)
		return len(entries) < r.Limit
	})
	return entries, errors.Join(err, scanErr)
}

// readEntries gives the entry of each key as of one point in time, nil for an
// absent one.
func (p *readPool) readEntries(ctx context.Context, keys [][]byte) ([]*protocol.Entry, error) {
	entries := make([]*protocol.Entry, len(keys))
	err := p.snapshot(ctx, len(keys), func(c *conn, at *snapshotTime) error {
		for i, key := range keys {
			var scanErr error
			err := c.query(selectEntry, []driver.Value{blob(key), at.beforeMs}, func(columns []driver.Value) bool {
				var entry protocol.Entry
				if entry, scanErr = scanEntry(columns, at); scanErr == nil {
					entries[i] = &entry
				}
				return false
			})
			if err = errors.Join(err, scanErr); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, readError(ctx, err)
	}
	return entries, nil
}

// errWrongType: SQLite lets any column hold any type, so a file from elsewhere may
// surprise.
var errWrongType = fmt.Errorf("%w: a row of table kv has columns of the wrong type", ErrSchema)

// scanEntry reads the columns k, v, v_encoding, version and expiration_ms.
func scanEntry(columns []driver.Value, at *snapshotTime) (protocol.Entry, error) {
	key, ok1 := columns[0].([]byte)
	data, ok2 := columns[1].([]byte)
	encoding, ok3 := columns[2].(int64)
	version, ok4 := columns[3].(int64)
	expirationMs, ok5 := columns[4].(int64)
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 {
		return protocol.Entry{}, errWrongType
	}
	if at.undecided(expirationMs) {
		return protocol.Entry{}, errUndecided
	}
	return protocol.Entry{
		Key:          key,
		Value:        protocol.Value{Data: data, Encoding: protocol.ValueEncoding(encoding)}, //nolint:gosec // given as it is stored
		Versionstamp: protocol.VersionstampOf(version),
	}, nil
}

// readError passes on the error of a context and marks those of SQLite.
func readError(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return err
	}
	return mark("read", err)
}
