package sqlitebackend

import (
	"errors"
	"fmt"
)

const (
	selectVersion = "select version from data_version where k = 0"
	updateVersion = "update data_version set version = ?1 where k = 0"
)

// groupTx is the transaction of one group of tasks. It belongs to the writer's
// goroutine. What is learnt along the way (changed keys, expiries, the version)
// is undone with the task that it came from, and is to be used only after
// commit.
type groupTx struct {
	conn  *conn
	clock *expiryClock
	// nowMs is the time by which the task under way decides on expiry. It is
	// taken when the task begins: the transaction may have waited for its lock
	// for seconds, in which readers have seen keys expire.
	nowMs int64

	groupTxState
	begunVersion  int64
	savepointOpen bool

	// broken is set when SQLite could not undo a task, so that nothing in the
	// transaction can be trusted.
	broken error
}

// groupTxState is what a failing task must not leave its mark on.
type groupTxState struct {
	version          int64    // of the last write in the group
	changedKeys      [][]byte // whose watchers are to be told
	earliestExpiryMs int64    // of the keys written; 0 for none
}

func beginGroup(c *conn, clock *expiryClock) (*groupTx, error) {
	if err := c.exec("begin immediate"); err != nil {
		return nil, err
	}
	version, found, err := c.queryInt(selectVersion)
	if err == nil && !found {
		err = fmt.Errorf("%w: table data_version is empty", ErrSchema)
	}
	if err != nil {
		return nil, errors.Join(err, c.exec("rollback"))
	}
	return &groupTx{conn: c, clock: clock, groupTxState: groupTxState{version: version}, begunVersion: version}, nil
}

// runTask runs one task; if it fails, nothing of it remains.
func (tx *groupTx) runTask(run func(*groupTx) error) error {
	before := tx.groupTxState
	tx.nowMs = tx.clock.nowMs()
	err := run(tx)
	if err != nil {
		tx.groupTxState = before
		if tx.conn.db.AutoCommit() {
			// SQLite gave up the whole transaction, as it does on a full disk.
			// What came after would be committed by itself.
			tx.broken = err
			return err
		}
	}
	if !tx.savepointOpen {
		return err
	}
	tx.savepointOpen = false
	if err != nil {
		tx.broken = tx.conn.exec("rollback to task")
	}
	tx.broken = errors.Join(tx.broken, tx.conn.exec("release task"))
	return err
}

// change must be called before a task first changes anything: a task that only
// looks, such as a write whose check fails, needs no savepoint.
func (tx *groupTx) change() error {
	if tx.savepointOpen {
		return nil
	}
	if err := tx.conn.exec("savepoint task"); err != nil {
		return err
	}
	tx.savepointOpen = true
	return nil
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

// commit makes the group durable, or undoes all of it and tells why.
func (tx *groupTx) commit() (err error) {
	defer func() {
		// SQLite ends the transaction by itself after some errors.
		if err != nil && !tx.conn.db.AutoCommit() {
			err = errors.Join(err, tx.conn.exec("rollback"))
		}
	}()
	if tx.broken != nil {
		return tx.broken
	}
	if tx.version == tx.begunVersion {
		return tx.conn.exec("rollback") // nothing was written
	}
	if err := tx.conn.exec(updateVersion, tx.version); err != nil {
		return err
	}
	return tx.conn.exec("commit")
}
