package conformance

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
)

// every gives one that is true for one call in n.
func every(n int) func(call int) bool { return func(call int) bool { return call%n == 0 } }

var harmless = map[string]fault{
	"no fault":                       {},
	"answers lost":                   {loses: every(7)},
	"answers lost, writes made late": {loses: every(7), late: every(5)},
}

// faults are those that the clients of a workload must provoke, and its checks
// find.
var faults = map[string]fault{
	"reads are stale at times": {reads: func(states []*state, call, _ int) *state {
		if every(25)(call) {
			return ago(states, 20)
		}
		return ago(states, 0)
	}},
	"the ranges of a read are from two moments": {reads: func(states []*state, _, i int) *state {
		return ago(states, min(i, 1))
	}},
	"checks are held against what was": {checks: func(states []*state, _ int) *state { return ago(states, 1) }},
	"checks hold now and then": {checks: func(states []*state, call int) *state {
		if every(3)(call) {
			return states[0]
		}
		return ago(states, 0)
	}},
	"a mismatch leaves what came before it": {commit: func(before *state, mutations []protocol.Mutation, v protocol.Versionstamp) (*state, bool) {
		for n := len(mutations); n > 0; n-- {
			if after, ok := before.commit(mutations[:n], v); ok {
				return after, n == len(mutations)
			}
		}
		return before.commit(mutations, v)
	}},
	"half of a write is forgotten": {commit: func(before *state, mutations []protocol.Mutation, v protocol.Versionstamp) (*state, bool) {
		if len(mutations) > 3 {
			mutations = mutations[:len(mutations)-1]
		}
		return before.commit(mutations, v)
	}},
	"deletions are forgotten": {commit: func(before *state, mutations []protocol.Mutation, v protocol.Versionstamp) (*state, bool) {
		return before.commit(withoutDeletions(mutations), v)
	}},
	"sums are made twice": {commit: func(before *state, mutations []protocol.Mutation, v protocol.Versionstamp) (*state, bool) {
		if len(mutations) == 1 && mutations[0].Type == protocol.MutationSum {
			mutations = slices.Repeat(mutations, 2)
		}
		return before.commit(mutations, v)
	}},
	"empty writes take no versionstamp": {version: func(last int64, write protocol.AtomicWrite) int64 {
		if len(write.Mutations) == 0 {
			return last
		}
		return last + 1
	}},
	"versionstamps go back": {version: func(last int64, _ protocol.AtomicWrite) int64 {
		if every(50)(int(last)) {
			return last - 5
		}
		return last + 1
	}},
	"writes are made twice":      {twice: every(7)},
	"lost writes are made twice": {twice: every(7), loses: every(7)},
	"watches tell of two moments": {watches: func(states []*state, _, i int) *state {
		return ago(states, min(i, 1))
	}},
	"watches go back": {watches: func(states []*state, number, _ int) *state {
		if every(10)(number) {
			return states[number/2]
		}
		return ago(states, 0)
	}},
	"watches lag behind":                    {watches: func(states []*state, _, _ int) *state { return ago(states, 20) }},
	"watches hear of nothing after a while": {deaf: func(number int) bool { return number > 100 }},
}

// faultPatience is how long a watch may be silent over a database with a fault. A run
// ends where a watch is too late: it must not be the machine that makes it so.
const faultPatience = 2 * time.Second

// A run over a database that is right must pass all checks, and one over a database
// with a fault must not.
func TestWorkloadProvokesFaults(t *testing.T) {
	t.Parallel()
	for name, f := range harmless {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, h, err := f.run(t, settlePatience)
			if err == nil {
				err = errors.Join(h.check(), tallyOf(h).check(w))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	for name, f := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, h, err := f.run(t, faultPatience)
			if err != nil {
				return // the log has told
			}
			if err := checkOrder(h); err == nil {
				t.Error("checkOrder found nothing")
			}
			if f.watches != nil || f.deaf != nil {
				return // porcupine is not told of watches
			}
			if err := checkLinearizable(h, linearizabilityPatience); !errors.Is(err, errNotLinearizable) {
				t.Errorf("checkLinearizable: %v", err)
			}
		})
	}
}

// run gives the workload and the history of a run over a database with the fault.
// It fails if the log tells of a fault.
func (f fault) run(t *testing.T, patience time.Duration) (*workload, *history, error) {
	t.Helper()
	db := newMemoryDatabase(f)
	w := &workload{
		ways: []database{db}, key: newProbe(t.Context(), db).key, clients: 8, calls: 20, bursts: 5, watches: 3,
		mismatches: true, lossy: f.loses != nil, patience: patience,
	}
	r, err := w.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h, err := w.finish(t.Context(), r)
	return w, h, err
}
