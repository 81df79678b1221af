package sqlitebackend

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/kvconnect/kvconnect/protocol"
)

// minFreeBytes is the room without which a disk counts as full: a small write may find a
// place in what a large one before it has given back.
const minFreeBytes = 1 << 20

// probe waits for its turn, tries whether the disk is well and gives settle the outcome.
func (w *writer) probe(ctx context.Context, settle func(error)) error {
	if err := w.queue.await(ctx, newTask(nil, 0)); err != nil {
		return err
	}
	defer w.queue.pass()
	err := w.tryDisk()
	settle(err)
	if err == nil {
		w.checkpoint.catchUp(w.conn.raw.WALPages())
	}
	return nil
}

// tryDisk does all that writes need, and changes nothing: it appends to the WAL, which with
// DurabilityFull is synced, and writes the WAL back into the file, with which both are. The
// caller has the turn.
func (w *writer) tryDisk() error {
	if err := w.file.check(); err != nil {
		w.complete(err)
		return err
	}
	w.isComplete = false
	if free, known := freeBytes(filepath.Dir(w.file.path())); known && free < minFreeBytes {
		return fmt.Errorf("%w (%d bytes are free, of %d that it takes for writes to go on)", protocol.ErrDiskFull, free, minFreeBytes)
	}
	if err := w.conn.writeNothing(); err != nil {
		return mark("probe", err)
	}
	// Another checkpoint that is under way has its own outcome.
	return mark("probe", w.conn.script("pragma wal_checkpoint(passive)"))
}

// writeNothing commits a transaction that leaves everything as it was, and yet appends to
// the WAL. For that it takes two changes: SQLite writes no page to which a statement gives
// the content that it has.
func (c *conn) writeNothing() error {
	return errors.Join(c.script("begin immediate; "+
		"update data_version set version = version + 1 where k = 0; update data_version set version = version - 1 where k = 0; "+
		"commit"), c.endFailed())
}

// endFailed rolls back what a script has left open when it failed.
func (c *conn) endFailed() error {
	if c.db.AutoCommit() {
		return nil
	}
	return c.exec(rollback)
}

// complete writes the WAL back into a file that is not where it was, once: whoever puts the
// file back, or saves it from the process that has it open, then needs no WAL; and a file
// that has taken its place is not given the WAL of another. The caller has the turn.
func (w *writer) complete(cause error) {
	if w.isComplete {
		return
	}
	columns, err := w.conn.query("pragma wal_checkpoint(truncate)")
	if err == nil {
		busy, _ := columns[0].(int64)
		w.isComplete = busy == 0
	}
	if w.isComplete {
		w.logger.Warn("all acknowledged writes are in the file that was moved or removed, without its write-ahead log", "cause", cause)
	}
}
