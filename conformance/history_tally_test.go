package conformance

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kvconnect/kvconnect/protocol"
)

// errProvesNothing: what never happened in a history was not checked by it.
var errProvesNothing = errors.New("the history is too poor to prove anything: it has no")

// tally counts what happened in a history.
type tally map[string]int

// What a history must have. Type mismatches are only there if the workload has them,
// and whether a call is lost is up to chance.
var wanted = []string{
	"get", "snapshot read", "reverse range", "full range", "absent key",
	"commit", "commit with checks", "commit of one set", "commit of one delete", "commit of one sum",
	"commit of many mutations", "commit of an added log entry", "commit of checks alone", "commit of nothing",
	"failed check", "watched state", "watched deletion",
}

const tallyMismatch = "mismatch beside other mutations"

func tallyOf(h *history) tally {
	counts := make(tally)
	for _, read := range h.reads {
		counts.addRead(read)
	}
	for _, write := range h.writes {
		counts.addWrite(write)
	}
	counts["lost write that was not made"] += h.unmade
	for _, watch := range h.watches {
		for _, stream := range watch.streams {
			counts["watch stream"]++
			counts["watched state"] += len(stream.states)
			for i := 1; i < len(stream.states); i++ {
				counts.addDeletions(stream.states[i-1], stream.states[i])
			}
		}
	}
	return counts
}

func (t tally) addDeletions(before, after watchedState) {
	for i, entry := range after.entries {
		if entry == nil && before.entries[i] != nil {
			t["watched deletion"]++
		}
	}
}

func (t tally) addRead(read *readCall) {
	if len(read.request.Ranges) == 1 && read.request.Ranges[0].Limit == 1 {
		t["get"]++
	} else {
		t["snapshot read"]++
	}
	for i, r := range read.request.Ranges {
		entries := read.output.Ranges[i]
		if r.Reverse && len(entries) > 1 {
			t["reverse range"]++
		}
		if r.Limit > 1 && len(entries) == r.Limit {
			t["full range"]++
		}
		if r.Limit == 1 && len(entries) == 0 {
			t["absent key"]++
		}
	}
}

func (t tally) addWrite(write *writeCall) {
	mutations := write.request.Mutations
	switch write.outcome {
	case writeCheckFailed:
		t["failed check"]++
	case writeTypeMismatch:
		t["mismatch"]++
		if len(mutations) > 1 {
			t[tallyMismatch]++
		}
	case writeCommitted:
		t["commit"]++
		if write.end == never {
			t["lost write that was made"]++
		}
		t.addCommit(write.request)
	case writeLost:
		t["lost write"]++
	}
}

func (t tally) addCommit(write protocol.AtomicWrite) {
	if len(write.Checks) > 0 && len(write.Mutations) > 0 {
		t["commit with checks"]++
	}
	changes := slices.DeleteFunc(slices.Clone(write.Mutations), func(m protocol.Mutation) bool {
		return m.Type == protocol.MutationSetVersionstampedKey
	})
	if len(changes) < len(write.Mutations) {
		t["commit of an added log entry"]++
	}
	switch {
	case len(changes) > 1:
		t["commit of many mutations"]++
	case len(changes) == 1:
		t["commit of one "+changes[0].Type.String()]++
	case len(write.Checks) > 0:
		t["commit of checks alone"]++
	default:
		t["commit of nothing"]++
	}
}

// check fails if something is missing that the workload should have brought about.
func (t tally) check(w *workload) error {
	names := wanted
	if w.mismatches {
		names = append(slices.Clone(names), tallyMismatch)
	}
	for _, name := range names {
		if t[name] == 0 {
			return fmt.Errorf("%w %s: %s", errProvesNothing, name, t)
		}
	}
	return nil
}

// String lists all counts.
func (t tally) String() string {
	var counts []string
	for _, name := range slices.Sorted(maps.Keys(t)) {
		counts = append(counts, fmt.Sprintf("%s %d", name, t[name]))
	}
	return strings.Join(counts, ", ")
}
