package conformance

import (
	"bytes"
	"slices"

	"github.com/kvconnect/kvconnect/protocol"
)

// state is a whole database between two commits, as the specification has it. It
// is never changed.
type state struct {
	version protocol.Versionstamp // of the last commit
	entries []*protocol.Entry     // ordered by key
}

// find gives the place of a key, or the one where it would be.
func (s *state) find(key []byte) (i int, found bool) {
	return slices.BinarySearchFunc(s.entries, key, func(entry *protocol.Entry, key []byte) int {
		return bytes.Compare(entry.Key, key)
	})
}

// get gives the entry of a key, nil if it is absent.
func (s *state) get(key []byte) *protocol.Entry {
	if i, found := s.find(key); found {
		return s.entries[i]
	}
	return nil
}

func (s *state) readRange(r protocol.ReadRange) []*protocol.Entry {
	from, _ := s.find(r.Start)
	to, _ := s.find(r.End)
	entries := slices.Clone(s.entries[from:max(from, to)])
	if r.Reverse {
		slices.Reverse(entries)
	}
	return entries[:min(r.Limit, len(entries))]
}

func (s *state) failedChecks(checks []protocol.Check) []uint32 {
	var failed []uint32
	for i, check := range checks {
		var actual protocol.Versionstamp
		if entry := s.get(check.Key); entry != nil {
			actual = entry.Versionstamp
		}
		if actual != check.Versionstamp {
			failed = append(failed, uint32(i))
		}
	}
	return failed
}

// commit gives the state after the mutations; ok is false if one of them does not
// fit the type of a value.
func (s *state) commit(mutations []protocol.Mutation, v protocol.Versionstamp) (after *state, ok bool) {
	after = &state{version: v, entries: slices.Clone(s.entries)}
	for _, mutation := range mutations {
		key := mutation.StoredKey(v)
		i, found := after.find(key)
		if mutation.Type == protocol.MutationDelete {
			if found {
				after.entries = slices.Delete(after.entries, i, i+1)
			}
			continue
		}
		entry := &protocol.Entry{Key: key, Value: mutation.Value, Versionstamp: v}
		if !found {
			after.entries = slices.Insert(after.entries, i, entry)
			continue
		}
		if entry.Value, ok = combined(mutation, after.entries[i].Value); !ok {
			return nil, false
		}
		after.entries[i] = entry
	}
	return after, true
}

// combined gives what a mutation makes of the value that is there.
func combined(mutation protocol.Mutation, value protocol.Value) (result protocol.Value, ok bool) {
	current, isNumber := value.U64()
	operand, _ := mutation.Value.U64()
	switch mutation.Type {
	case protocol.MutationSum:
		return protocol.U64Value(current + operand), isNumber
	case protocol.MutationMin:
		return protocol.U64Value(min(current, operand)), isNumber
	case protocol.MutationMax:
		return protocol.U64Value(max(current, operand)), isNumber
	default:
		return mutation.Value, true
	}
}

// operation is a call whose outcome is known.
type operation interface {
	// when tells in which time the call had its effect.
	when() span
	// step gives the state after the call; ok is false if the call cannot have
	// had this outcome in the state s.
	step(s *state) (after *state, ok bool)
	// String is for the report of a fault.
	String() string
}

// when implements operation for all calls.
func (s span) when() span { return s }

func (c *readCall) step(s *state) (after *state, ok bool) {
	if len(c.output.Ranges) != len(c.request.Ranges) {
		return s, false
	}
	for i, r := range c.request.Ranges {
		same := slices.EqualFunc(s.readRange(r), c.output.Ranges[i], func(want *protocol.Entry, got protocol.Entry) bool {
			return sameEntry(want, &got)
		})
		if !same {
			return s, false
		}
	}
	return s, true
}

func (c *writeCall) step(s *state) (after *state, ok bool) {
	failed := s.failedChecks(c.request.Checks)
	if len(failed) > 0 || c.outcome == writeCheckFailed {
		return s, c.outcome == writeCheckFailed && len(failed) > 0 && slices.Equal(failed, c.failedChecks)
	}
	after, fits := s.commit(c.request.Mutations, c.versionstamp)
	switch c.outcome {
	case writeCommitted:
		return after, fits && bytes.Compare(s.version[:], c.versionstamp[:]) < 0
	case writeTypeMismatch:
		return s, !fits
	default:
		return s, false
	}
}

// shows tells whether a watch of the keys could give these entries in the state.
func (s *state) shows(keys [][]byte, entries []*protocol.Entry) bool {
	return slices.EqualFunc(keys, entries, func(key []byte, got *protocol.Entry) bool { return sameEntry(s.get(key), got) })
}

func sameEntry(a, b *protocol.Entry) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a == b || a.Versionstamp == b.Versionstamp && bytes.Equal(a.Key, b.Key) &&
		a.Value.Encoding == b.Value.Encoding && bytes.Equal(a.Value.Data, b.Value.Data)
}
