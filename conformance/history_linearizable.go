package conformance

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/kvconnect/kvconnect/protocol"
)

var (
	errNotLinearizable = errors.New("the history is not linearizable")
	errUndecided       = errors.New("porcupine did not come to an end in time")
)

// orderedWrite is a committed write with the versionstamp of the one before it. All
// of a history's commits have a place in it, and their versionstamps increase; so
// none can be passed over, and porcupine need not try to.
type orderedWrite struct {
	*writeCall
	after protocol.Versionstamp
}

func (w orderedWrite) step(s *state) (after *state, ok bool) {
	if s.version != w.after {
		return s, false
	}
	return w.writeCall.step(s)
}

// checkLinearizable has porcupine find an order of all calls in which each could
// have had its outcome. It knows nothing of watches. A search that does not end in
// time is an error too; it is quick for as many calls as one likes if no more than
// eight clients make them at once, and hopeless for sixteen.
func checkLinearizable(h *history, timeout time.Duration) error {
	before := make(map[*writeCall]protocol.Versionstamp)
	var last protocol.Versionstamp
	for _, commit := range commitsInOrder(h) {
		before[commit] = last
		last = commit.versionstamp
	}
	var calls []porcupine.Operation
	for _, op := range h.operations() {
		call := porcupine.Operation{Input: op, Call: int64(op.when().call), Return: int64(op.when().end)}
		if write, ok := op.(*writeCall); ok && write.outcome == writeCommitted {
			call.Input = orderedWrite{write, before[write]}
		}
		calls = append(calls, call)
	}
	switch result := porcupine.CheckOperationsTimeout(wholeDatabase, calls, timeout); result {
	case porcupine.Ok:
		return nil
	case porcupine.Illegal:
		return errNotLinearizable
	default:
		return fmt.Errorf("%w: %s", errUndecided, timeout)
	}
}

// wholeDatabase is the model of all keys together, because a call may touch any of
// them. A call and its outcome are both in the input.
var wholeDatabase = porcupine.Model{
	Init: func() any { return &state{} },
	Step: func(before, input, _ any) (bool, any) {
		s, isState := before.(*state)
		op, isOperation := input.(operation)
		if !isState || !isOperation {
			return false, before
		}
		after, ok := op.step(s)
		return ok, after
	},
	Equal: func(a, b any) bool {
		s1, ok1 := a.(*state)
		s2, ok2 := b.(*state)
		return ok1 && ok2 && s1.version == s2.version && slices.EqualFunc(s1.entries, s2.entries, sameEntry)
	},
}
