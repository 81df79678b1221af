package conformance

import (
	"errors"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
)

// The calls of hand-made histories.

func key(name string) []byte { return []byte("\x02hand-made\x00\x02" + name + "\x00") }

func stamp(version int64) protocol.Versionstamp { return protocol.VersionstampOf(version) }

func word(name, value string, version int64) protocol.Entry {
	return protocol.Entry{Key: key(name), Value: text(value), Versionstamp: stamp(version)}
}

// count is an entry of b.
func count(n uint64, version int64) protocol.Entry {
	return protocol.Entry{Key: key("b"), Value: protocol.U64Value(n), Versionstamp: stamp(version)}
}

func setWord(name, value string) protocol.Mutation { return set(key(name), text(value)) }

func sum(name string, n uint64) protocol.Mutation { return u64(protocol.MutationSum, key(name), n) }

// isAt is a check; the version 0 stands for an absent key.
func isAt(name string, version int64) protocol.Check {
	return protocol.Check{Key: key(name), Versionstamp: stamp(version)}
}

func checks(list ...protocol.Check) []protocol.Check { return list }

func commitAt(call, end moment, version int64, checks []protocol.Check, mutations ...protocol.Mutation) *writeCall {
	return &writeCall{
		span: span{call, end}, request: protocol.AtomicWrite{Checks: checks, Mutations: mutations},
		outcome: writeCommitted, versionstamp: stamp(version),
	}
}

func failAt(call, end moment, outcome writeOutcome, failed []uint32, checks []protocol.Check, mutations ...protocol.Mutation) *writeCall {
	return &writeCall{
		span: span{call, end}, request: protocol.AtomicWrite{Checks: checks, Mutations: mutations},
		outcome: outcome, failedChecks: failed,
	}
}

// readAt reads a range for each list of entries: the first from a on, the second
// from b on, to the end.
func readAt(call, end moment, ranges ...[]protocol.Entry) *readCall {
	c := &readCall{span: span{call, end}, output: protocol.SnapshotReadOutput{Ranges: ranges}}
	for i := range ranges {
		c.request.Ranges = append(c.request.Ranges, protocol.ReadRange{
			Start: key(string(rune('a' + i))), End: key("z"), Limit: 10,
		})
	}
	return c
}

func entries(list ...protocol.Entry) []protocol.Entry { return list }

// watchAt follows a and b in one stream, which opens at 1 and tells of a state at
// each of the moments.
func watchAt(states ...watchedState) watchHistory {
	return watchHistory{keys: [][]byte{key("a"), key("b")}, streams: []watchedStream{{opened: 1, states: states}}}
}

// told has an entry for each key; one without a key stands for none.
func told(seen moment, list ...protocol.Entry) watchedState {
	state := watchedState{seen: seen, entries: make([]*protocol.Entry, len(list))}
	for i, entry := range list {
		if entry.Key != nil {
			state.entries[i] = &entry
		}
	}
	return state
}

func absent() protocol.Entry { return protocol.Entry{} }

// The checks must find a fault where there is one, and none where there is none.
func TestHistoryChecks(t *testing.T) {
	t.Parallel()
	for name, c := range handMadeHistories() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := checkOrder(&c.history); !errors.Is(err, c.want) {
				t.Errorf("checkOrder: %v, want %v", err, c.want)
			}
			want := errNotLinearizable
			if c.want == nil || c.onlyWatches {
				want = nil
			}
			if err := checkLinearizable(&c.history, time.Minute); !errors.Is(err, want) {
				t.Errorf("checkLinearizable: %v, want %v", err, want)
			}
		})
	}
}

// handMade is a history and what checkOrder is to say of it.
type handMade struct {
	history     history
	want        error
	onlyWatches bool // porcupine can find nothing wrong
}

func calls(calls ...operation) history {
	h := history{pauses: []pause{{1000, 1001}}}
	for _, call := range calls {
		switch call := call.(type) {
		case *readCall:
			h.reads = append(h.reads, call)
		case *writeCall:
			h.writes = append(h.writes, call)
		}
	}
	return h
}

func (h history) watched(watch watchHistory) history {
	h.watches = append(h.watches, watch)
	return h
}
