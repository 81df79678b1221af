package sqlitebackend

import (
	"fmt"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend/internal/statement"
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
	bounded := tx.maxFileBytes > 0 && mayGrow(write.Mutations)
	if bounded || mayFailHalfway(write.Mutations) {
		if err := tx.protect(); err != nil {
			return protocol.AtomicWriteOutput{}, mark("begin atomic write", err)
		}
	}
	version := tx.nextVersion()
	if bounded {
		err = tx.mutateWithinBound(write.Mutations, version)
	} else {
		err = tx.mutateAll(write.Mutations, version)
	}
	if err != nil {
		return protocol.AtomicWriteOutput{}, err
	}
	return protocol.AtomicWriteOutput{
		Status:       protocol.AtomicWriteCommitted,
		Versionstamp: protocol.VersionstampOf(version),
	}, nil
}

func (tx *groupTx) mutateAll(mutations []protocol.Mutation, version int64) error {
	for i, mutation := range mutations {
		if err := tx.mutate(mutation, version); err != nil {
			return fmt.Errorf("mutation %d: %w", i, err)
		}
	}
	return nil
}

// mayFailHalfway tells whether mutations may fail, for a reason that lies in them, when
// others of them are done.
func mayFailHalfway(mutations []protocol.Mutation) bool {
	for i, m := range mutations {
		switch m.Type {
		case protocol.MutationSet, protocol.MutationSetVersionstampedKey, protocol.MutationDelete:
		default: // it depends on what is stored
			if i > 0 {
				return true
			}
		}
	}
	return false
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
		_, err := tx.change(deleteKey, statement.Args{Blobs: [statement.MaxBlobs][]byte{key}}, 1)
		return mark("delete", err)
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
	args := statement.Args{
		Blobs:    [statement.MaxBlobs][]byte{key, value.Data},
		Integers: [statement.MaxIntegers]int64{int64(value.Encoding), version, expirationMs},
	}
	if expirationMs == noExpiry {
		if rows, err := tx.change(upsertKeepingExpiry, args, 1); err != nil || rows.Changed > 0 {
			return mark("set", err)
		}
	}
	_, err := tx.change(upsert, args, 1)
	return mark("set", err)
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
func (tx *groupTx) versionstamp(key []byte) (protocol.Versionstamp, error) {
	rows, err := tx.conn.run(selectVersionstamp, keyNow(key, tx.nowMs), 1)
	if err != nil || rows.Count == 0 {
		return protocol.Versionstamp{}, err
	}
	version, ok1 := rows.Integer()
	expirationMs, ok2 := rows.Integer()
	switch {
	case !ok1 || !ok2:
		return protocol.Versionstamp{}, errWrongType
	case !tx.alive(expirationMs):
		return protocol.Versionstamp{}, nil
	default:
		return protocol.VersionstampOf(version), nil
	}
}

func (tx *groupTx) value(key []byte) (value protocol.Value, found bool, err error) {
	rows, err := tx.conn.run(selectValue, keyNow(key, tx.nowMs), 1)
	if err != nil || rows.Count == 0 {
		return protocol.Value{}, false, err
	}
	data, ok1 := rows.Blob()
	encoding, ok2 := rows.Integer()
	expirationMs, ok3 := rows.Integer()
	switch {
	case !ok1 || !ok2 || !ok3:
		return protocol.Value{}, false, errWrongType
	case !tx.alive(expirationMs):
		return protocol.Value{}, false, nil
	default:
		return protocol.Value{Data: data, Encoding: protocol.ValueEncoding(encoding)}, true, nil //nolint:gosec // as stored
	}
}

// keyNow are the arguments of the statements on one key.
func keyNow(key []byte, nowMs int64) statement.Args {
	return statement.Args{Blobs: [statement.MaxBlobs][]byte{key}, NowMs: nowMs}
}
