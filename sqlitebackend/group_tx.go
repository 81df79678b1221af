package sqlitebackend

import (
	"errors"
	"fmt"

	"github.com/kvconnect/kvconnect/sqlitebackend/internal/statement"
)

// groupTx is the transaction of one group of tasks. It belongs to whoever has the
// writer's turn. What is learnt along the way (changed keys, expiries, the version)
// is undone with the task that it came from, and is to be used only after commit.
type groupTx struct {
	conn  *conn
	clock *expiryClock
	// nowMs is the time by which the task under way decides on expiry. It is
	// taken when the task begins: the transaction may have waited for its lock
	// for seconds, in which readers have seen keys expire.
	nowMs int64
	// maxFileBytes is what the file may not grow beyond; 0 for no bound.
	maxFileBytes int64
	pageBytes    int64 // 0 until a write measures the file

	groupTxState
	begunVersion int64

	// What the task under way has done: opened its savepoint, changed something
	// without one.
	savepointOpen bool
	changedBare   bool

	// broken is set when a task failed and cannot be undone alone, so that nothing
	// in the transaction may be committed.
	broken error
}

// groupTxState is what a failing task must not leave its mark on.
type groupTxState struct {
	version          int64    // of the last write in the group
	changedKeys      [][]byte // whose watchers are to be told
	earliestExpiryMs int64    // of the keys written; 0 for none
}

func beginGroup(c *conn, clock *expiryClock, maxFileBytes int64) (*groupTx, error) {
	if err := c.exec(beginWrite); err != nil {
		return nil, err
	}
	version, found, err := c.number(selectVersion)
	if err == nil && !found {
		err = fmt.Errorf("%w: table data_version is empty", ErrSchema)
	}
	if err != nil {
		return nil, errors.Join(err, c.exec(rollback))
	}
	return &groupTx{
		conn: c, clock: clock, maxFileBytes: maxFileBytes,
		groupTxState: groupTxState{version: version}, begunVersion: version,
	}, nil
}

// runTask runs one task. If it fails, nothing of it remains, or the transaction is
// broken.
func (tx *groupTx) runTask(run func(*groupTx) error) error {
	before := tx.groupTxState
	tx.nowMs = tx.clock.nowMs()
	err := run(tx)
	savepointOpen, changedBare := tx.savepointOpen, tx.changedBare
	tx.savepointOpen, tx.changedBare = false, false
	if err == nil {
		if savepointOpen {
			tx.broken = tx.conn.exec(releaseSavepoint)
		}
		return nil
	}
	tx.groupTxState = before
	switch {
	case tx.conn.db.AutoCommit():
		// SQLite gave up the whole transaction, as it does on a full disk. What
		// came after would be committed by itself.
		tx.broken = err
	case savepointOpen:
		if undoErr := errors.Join(tx.conn.exec(rollbackToSavepoint), tx.conn.exec(releaseSavepoint)); undoErr != nil {
			tx.broken = errors.Join(err, undoErr)
		}
	case changedBare:
		tx.broken = err
	}
	return err
}

// protect must be called before a task first changes anything, if it may fail
// afterwards for a reason that lies in itself. A savepoint costs as much as half a
// mutation, so that tasks do without that fail only if SQLite does: then the group is
// undone, and its tasks are run one by one.
func (tx *groupTx) protect() error {
	if err := tx.conn.exec(savepoint); err != nil {
		return err
	}
	tx.savepointOpen = true
	return nil
}

// change runs a statement that changes something.
func (tx *groupTx) change(q query, args statement.Args, limit int) (statement.Rows, error) {
	tx.changedBare = tx.changedBare || !tx.savepointOpen
	return tx.conn.run(q, args, limit)
}

// alive tells whether a key that was found is still there for the task. If it
// expires some day, time is held before that moment until the group is committed.
func (tx *groupTx) alive(expirationMs int64) bool {
	return expirationMs < 0 || tx.clock.hold(expirationMs)
}

// nextVersion takes the version of a new commit.
func (tx *groupTx) nextVersion() int64 {
	tx.version++
	return tx.version
}

// changed notes a key whose watchers are to be told, and when it expires; 0 for
// never.
func (tx *groupTx) changed(key []byte, expiryMs int64) {
	tx.changedKeys = append(tx.changedKeys, key)
	if expiryMs > 0 && (tx.earliestExpiryMs == 0 || expiryMs < tx.earliestExpiryMs) {
		tx.earliestExpiryMs = expiryMs
	}
}

// wrote tells whether there is anything to commit.
func (tx *groupTx) wrote() bool { return tx.version != tx.begunVersion }

// writes is how many tasks have written, each of which took a version.
func (tx *groupTx) writes() int { return int(tx.version - tx.begunVersion) }

// commit makes the group durable, or undoes all of it and tells why. It fails if the file is
// not where it was: a write to what nobody finds again must not be acknowledged.
func (tx *groupTx) commit(file *sameFile) (err error) {
	defer func() {
		// SQLite ends the transaction by itself after some errors.
		if err != nil && !tx.conn.db.AutoCommit() {
			err = errors.Join(err, tx.conn.exec(rollback))
		}
	}()
	if tx.broken != nil {
		return tx.broken
	}
	if !tx.wrote() {
		return tx.conn.exec(rollback)
	}
	if err := file.check(); err != nil {
		return err
	}
	if _, err := tx.conn.run(updateVersion, statement.Args{Integers: [statement.MaxIntegers]int64{tx.version}}, 1); err != nil {
		return err
	}
	if err := tx.conn.exec(commit); err != nil {
		return tx.conn.takeBack(err)
	}
	return nil
}

// takeBack sees to it that a transaction stays undone whose commit has failed with err. All
// of it may be in the WAL nevertheless: when the disk fails to sync, or there is no room, on
// the disk or in memory, for the index of the WAL. SQLite does not count it, and writes the
// next transaction over it; but if the process died before there is one, whoever opens the
// file would find it in the WAL.
func (c *conn) takeBack(err error) error {
	err = errors.Join(err, c.endFailed())
	if overErr := c.writeNothing(); overErr != nil {
		// It does its work if it gets as far as the sync.
		err = fmt.Errorf("%w; what may be left of it in the WAL: %w", err, overErr)
	}
	return err
}
