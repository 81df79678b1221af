package conformance

import (
	"slices"
	"time"
)

// linearizabilityPatience bounds the search of porcupine, which takes a fraction.
const linearizabilityPatience = time.Minute

// check fails unless the history could be one of a database that does one thing
// after the other.
func (h *history) check() error {
	if err := checkOrder(h); err != nil {
		return err
	}
	return checkLinearizable(h, linearizabilityPatience)
}

// historyCases check what concurrent clients see of a database all at once, and
// against each other.
var historyCases = []testCase{
	{"history/concurrent calls and watches are linearizable", func(p *probe) {
		p.checkHistory(workload{clients: 6, calls: 10, bursts: 4, watches: 3})
	}},
	{"history/nobody sees anything of a write that fails", func(p *probe) {
		p.checkHistory(workload{clients: 6, calls: 10, bursts: 4, watches: 3, mismatches: true})
	}},
}

func (p *probe) checkHistory(w workload) {
	w.ways, w.key, w.patience = []database{p.db}, p.key, settlePatience
	r, err := w.run(p.ctx)
	p.ok(err)
	h, err := w.finish(p.ctx, r)
	p.ok(err)
	p.ok(h.check())
	for what, found := range map[string]bool{
		"read": len(h.reads) > 0, "committed write": len(commitsInOrder(h)) > 0, "watched state": h.toldOfStates(),
	} {
		p.equal("there is a "+what, found, true)
	}
}

// toldOfStates tells whether some watch told of a state.
func (h *history) toldOfStates() bool {
	return slices.ContainsFunc(h.watches, func(watch watchHistory) bool {
		return slices.ContainsFunc(watch.streams, func(stream watchedStream) bool { return len(stream.states) > 0 })
	})
}
