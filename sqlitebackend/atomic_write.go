package sqlitebackend

import (
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/kvconnect/kvconnect/protocol"
)

const (
	selectValue = `select v, v_encoding, expiration_ms from kv
		where k = ?1 and (+expiration_ms < 0 or +expiration_ms > ?2)`
	selectVersionstamp = `select version, expiration_ms from kv
		where k = ?1 and (+expiration_ms < 0 or +expiration_ms > ?2)`

	upsert = `insert into kv (k, v, v_encoding, version, expiration_ms) values (?1, ?2, ?3, ?4, ?5)
		on conflict (k) do update set v = excluded.v, v_encoding = excluded.v_encoding,
		version = excluded.version, expiration_ms = excluded.expiration_ms`
	deleteKey = "delete from kv where k = ?1"

	// noExpiry is what the column expiration_ms holds for a key that stays.
	noExpiry = -1
)

// atomicWrite applies one write. On error the caller undoes what it did.
func (tx *groupTx) atomicWrite(write protocol.AtomicWrite) (protocol.AtomicWriteOutput, error) {
	failed, err := tx.failedChecks(write.Checks)
	if err != nil {
		return protocol.AtomicWriteOutput{}, err
	}
	if len(failed) > 0 {
		return protocol.AtomicWriteOutput{Status: protocol.AtomicWriteCheckFailed, FailedChecks: failed}, nil
	}
	if err := tx.change(); err != nil {
		return protocol.AtomicWriteOutput{}, mark("begin atomic write", err)
	}
	version := tx.nextVersion()
	for i, mutation := range write.Mutations {
		if err := tx.mutate(mutation, version); err != nil {
			return protocol.AtomicWriteOutput{}, fmt.Errorf("mutation %d: %w", i, err)
		}
	}
	return protocol.AtomicWriteOutput{
		Status:       protocol.AtomicWriteCommitted,
		Versionstamp: protocol.VersionstampOf(version),
	}, nil
}

func (tx *groupTx) failedChecks(checks []protocol.Check) (failed []uint32, err error) {
	for i, check := range checks {
		actual, err := tx.versionstamp(check.Key)
		if err != nil {
			return nil, mark(fmt.Sprintf("check %d", i), err)
		}
		if actual != check.Versionstamp {
			failed = append(failed, uint32(i))
		}
	}
	return failed, nil
}

func (tx *groupTx) mutate(m protocol.Mutation, version int64) error {
	key := m.StoredKey(protocol.VersionstampOf(version))
	switch m.Type {
	case protocol.MutationSet, protocol.MutationSetVersionstampedKey:
		return tx.set(key, m.Value, version, m.ExpireAtMs)
	case protocol.MutationDelete:
		tx.changed(key, 0)
		return mark("delete", tx.conn.exec(deleteKey, blob(key)))
	case protocol.MutationSum, protocol.MutationMin, protocol.MutationMax:
		value, err := tx.combine(m)
		if err != nil {
			return err
		}
		// The result never expires, as with the reference server.
		return tx.set(key, value, version, 0)
	default:
		return fmt.Errorf("%w (%d)", protocol.ErrUnknownMutation, m.Type)
	}
}

func (tx *groupTx) set(key []byte, value protocol.Value, version, expireAtMs int64) error {
	tx.changed(key, expireAtMs)
	expirationMs := int64(noExpiry)
	if expireAtMs > 0 {
		expirationMs = expireAtMs
	}
	return mark("set", tx.conn.exec(upsert, blob(key), blob(value.Data), int64(value.Encoding), version, expirationMs))
}

// combine gives the value that a sum, min or max leaves.
func (tx *groupTx) combine(m protocol.Mutation) (protocol.Value, error) {
	stored, found, err := tx.value(m.Key)
	if err != nil {
		return protocol.Value{}, mark("read value", err)
	}
	return m.Combine(stored, found)
}

// versionstamp gives that of a key, the zero one if it is absent.
func (tx *groupTx) versionstamp(key []byte) (v protocol.Versionstamp, err error) {
	var scanErr error
	err = tx.conn.query(selectVersionstamp, []driver.Value{blob(key), tx.nowMs}, func(columns []driver.Value) bool {
		version, ok1 := columns[0].(int64)
		expirationMs, ok2 := columns[1].(int64)
		if !ok1 || !ok2 {
			scanErr = errWrongType
		} else if tx.alive(expirationMs) {
			v = protocol.VersionstampOf(version)
		}
		return false
	})
	return v, errors.Join(err, scanErr)
}

func (tx *groupTx) value(key []byte) (value protocol.Value, found bool, err error) {
	var scanErr error
	err = tx.conn.query(selectValue, []driver.Value{blob(key), tx.nowMs}, func(columns []driver.Value) bool {
		data, ok1 := columns[0].([]byte)
		encoding, ok2 := columns[1].(int64)
		expirationMs, ok3 := columns[2].(int64)
		if !ok1 || !ok2 || !ok3 {
			scanErr = errWrongType
		} else if tx.alive(expirationMs) {
			value = protocol.Value{Data: data, Encoding: protocol.ValueEncoding(encoding)} //nolint:gosec // as stored
			found = true
		}
		return false
	})
	return value, found, errors.Join(err, scanErr)
}
