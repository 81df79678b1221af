package conformance

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/kvconnect/kvconnect/protocol"
)

// model is a Deno KV database that is as simple as can be: a map, of which every
// write changes a copy. It says what a backend must answer. It is not safe for
// concurrent use.
type model struct {
	clock   *Clock
	entries map[string]modelEntry // those that expired since settle was called too
	version int64                 // of the last write
	// unswept holds the keys that expired and that the backend may not have
	// removed yet: an element for each moment at which some did.
	unswept [][]string
}

type modelEntry struct {
	value      protocol.Value
	version    int64
	expireAtMs int64 // 0 for never
}

func newModel(clock *Clock) *model {
	return &model{clock: clock, entries: make(map[string]modelEntry)}
}

// get finds the entry of a key, which from its expiry time on is absent.
func (m *model) get(key string) (entry modelEntry, found bool) {
	entry, found = m.entries[key]
	return entry, found && (entry.expireAtMs == 0 || entry.expireAtMs > m.clock.InMs(0))
}

// versionstamp gives that of a key, the zero one if it is absent.
func (m *model) versionstamp(key []byte) protocol.Versionstamp {
	entry, found := m.get(string(key))
	if !found {
		return protocol.Versionstamp{}
	}
	return protocol.VersionstampOf(entry.version)
}

// keys gives the keys that are there, in byte order.
func (m *model) keys() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(m.entries)), func(key string) bool {
		_, found := m.get(key)
		return !found
	})
}

func (m *model) snapshotRead(read protocol.SnapshotRead) protocol.SnapshotReadOutput {
	output := protocol.SnapshotReadOutput{Ranges: make([][]protocol.Entry, len(read.Ranges))}
	for i, r := range read.Ranges {
		keys := m.keys()
		if r.Reverse {
			slices.Reverse(keys)
		}
		for _, key := range keys {
			if key >= string(r.Start) && key < string(r.End) && len(output.Ranges[i]) < r.Limit {
				output.Ranges[i] = append(output.Ranges[i], protocol.Entry{
					Key: []byte(key), Value: m.entries[key].value, Versionstamp: m.versionstamp([]byte(key)),
				})
			}
		}
	}
	return output
}

// atomicWrite makes a write. If it is committed, it gets the version given.
func (m *model) atomicWrite(write protocol.AtomicWrite, version int64) (protocol.AtomicWriteOutput, error) {
	var failed []uint32
	for i, check := range write.Checks {
		if m.versionstamp(check.Key) != check.Versionstamp {
			failed = append(failed, uint32(i))
		}
	}
	if len(failed) > 0 {
		return protocol.AtomicWriteOutput{Status: protocol.AtomicWriteCheckFailed, FailedChecks: failed}, nil
	}
	before := maps.Clone(m.entries)
	for _, mutation := range write.Mutations {
		if err := m.mutate(mutation, version); err != nil {
			m.entries = before
			return protocol.AtomicWriteOutput{}, err
		}
	}
	m.take(version)
	for _, mutation := range write.Mutations {
		m.replaced(storedKey(mutation, version))
	}
	m.settle()
	return protocol.AtomicWriteOutput{Status: protocol.AtomicWriteCommitted, Versionstamp: protocol.VersionstampOf(version)}, nil
}

// wouldGive tells what would come of a write now.
func (m *model) wouldGive(write protocol.AtomicWrite) outcome {
	clone := &model{clock: m.clock, entries: maps.Clone(m.entries)}
	return outcomeOf(clone.atomicWrite(write, m.version+1))
}

func (m *model) mutate(mutation protocol.Mutation, version int64) error {
	key := storedKey(mutation, version)
	switch mutation.Type {
	case protocol.MutationDelete:
		delete(m.entries, key)
		return nil
	case protocol.MutationSum, protocol.MutationMin, protocol.MutationMax:
		value, err := m.combine(mutation)
		if err != nil {
			return err
		}
		m.entries[key] = modelEntry{value: value, version: version}
		return nil
	default:
		m.entries[key] = modelEntry{value: mutation.Value, version: version, expireAtMs: mutation.ExpireAtMs}
		return nil
	}
}

// combine gives the value that a sum, min or max leaves.
func (m *model) combine(mutation protocol.Mutation) (protocol.Value, error) {
	stored, found := m.get(string(mutation.Key))
	kind := mutation.Type.String()
	switch operand := mutation.Value; {
	case kind == "sum" && operand.Encoding != protocol.EncodingLE64:
		return modelSum(mutation, stored.value, found)
	case kind == "sum" && (len(mutation.SumMin) > 0 || len(mutation.SumMax) > 0 || mutation.SumClamp):
		return modelRefusal("Cannot use min/max parameters with KvU64 operands")
	case operand.Encoding != protocol.EncodingLE64:
		return modelRefusal("Failed to perform '" + kind + "' mutation on a non-U64 operand")
	case !found:
		return operand, nil
	case stored.value.Encoding != protocol.EncodingLE64:
		return modelRefusal("Failed to perform '" + kind + "' mutation on a non-U64 value in the database")
	}
	a, b := binary.LittleEndian.Uint64(stored.value.Data), binary.LittleEndian.Uint64(mutation.Value.Data)
	switch kind {
	case "min":
		a = min(a, b)
	case "max":
		a = max(a, b)
	default:
		a += b
	}
	return protocol.Value{Data: binary.LittleEndian.AppendUint64(nil, a), Encoding: protocol.EncodingLE64}, nil
}

func modelRefusal(text string) (protocol.Value, error) {
	return protocol.Value{}, &protocol.MutationTypeError{Text: text}
}

// storedKey gives the key that a mutation changes in a write of the version.
func storedKey(mutation protocol.Mutation, version int64) string {
	if mutation.Type == protocol.MutationSetVersionstampedKey {
		return fmt.Sprintf("%s\x02%016x0000\x00", mutation.Key, version)
	}
	return string(mutation.Key)
}
