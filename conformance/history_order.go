package conformance

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/kvconnect/kvconnect/protocol"
)

// What can be wrong with a history.
var (
	errVersionstampTwice = errors.New("two commits have the same versionstamp")
	errImpossibleWrite   = errors.New("a write was committed on a state that forbids it")
	errVersionstampBack  = errors.New("a later write has an earlier versionstamp")
	errNoSuchState       = errors.New("the database was in no such state at any time")
	errStale             = errors.New("an older state was told after a newer one")
	errNotYet            = errors.New("a write was seen before it was called")
	errWatchBehind       = errors.New("a watch did not end at the last state")
)

// timeline is the order of the commits that their versionstamps tell.
type timeline struct {
	commits []*writeCall
	states  []*state // states[i] is the database after the first i commits
}

// newTimeline makes the commits of a history again, in their order.
func newTimeline(h *history) (*timeline, error) {
	t := &timeline{commits: commitsInOrder(h), states: []*state{{}}}
	for i, commit := range t.commits {
		if i > 0 && t.commits[i-1].versionstamp == commit.versionstamp {
			return nil, fmt.Errorf("%w:\n%s\n%s", errVersionstampTwice, t.commits[i-1], commit)
		}
		after, ok := commit.step(t.states[i])
		if !ok {
			return nil, fmt.Errorf("%w, the one after %s:\n%s", errImpossibleWrite, t.states[i].version, commit)
		}
		t.states = append(t.states, after)
	}
	return t, nil
}

func commitsInOrder(h *history) []*writeCall {
	commits := slices.DeleteFunc(slices.Clone(h.writes), func(write *writeCall) bool { return write.outcome != writeCommitted })
	slices.SortStableFunc(commits, func(a, b *writeCall) int { return bytes.Compare(a.versionstamp[:], b.versionstamp[:]) })
	return commits
}

// place gives the first place from floor on, in the order of the commits, at which
// the database is as the caller wants it. It must have been reached by end: no
// commit counts that was called only later.
func (t *timeline) place(floor int, end moment, is func(*state) bool) (int, error) {
	for i := floor; i < len(t.states) && (i == floor || t.commits[i-1].call < end); i++ {
		if is(t.states[i]) {
			return i, nil
		}
	}
	for i, s := range t.states {
		switch {
		case !is(s):
		case i < floor:
			return 0, fmt.Errorf("%w: that after %s, and %s had been told", errStale, s.version, t.states[floor].version)
		default:
			return 0, fmt.Errorf("%w: %s", errNotYet, t.commits[i-1])
		}
	}
	return 0, errNoSuchState
}

// checkOrder fails unless every call and every state of a watch has a place in the
// order of the commits at which it is right, and no place is before one that had
// been told when the call began. That is strict serializability: since
// versionstamps tell the order of the commits, it can be decided call by call.
func checkOrder(h *history) error {
	t, err := newTimeline(h)
	if err != nil {
		return err
	}
	var floor int // the newest place told so far
	var events []event
	note := func(at moment, happens func() error) { events = append(events, event{at, happens}) }
	tell := func(place int) { floor = max(floor, place) }

	for i, commit := range t.commits {
		note(commit.call, func() error {
			if floor > i {
				return fmt.Errorf("%w, %s had been told:\n%s", errVersionstampBack, t.states[floor].version, commit)
			}
			return nil
		})
		note(commit.end, func() error { tell(i + 1); return nil })
	}
	for _, op := range h.operations() {
		if write, ok := op.(*writeCall); ok && write.outcome == writeCommitted {
			continue
		}
		var place int
		note(op.when().call, func() (err error) {
			place, err = t.place(floor, op.when().end, func(s *state) bool { _, ok := op.step(s); return ok })
			return inReport(err, op)
		})
		note(op.when().end, func() error { tell(place); return nil })
	}
	for _, watch := range h.watches {
		var last []*protocol.Entry
		shows := func(s *state) bool { return s.shows(watch.keys, last) }
		for _, stream := range watch.streams {
			var place int // of the last state
			note(stream.opened, func() error { place = floor; return nil })
			for _, told := range stream.states {
				note(told.seen, func() (err error) {
					last = told.entries
					place, err = t.place(place, told.seen, shows)
					tell(place)
					return inReport(err, watchReport{watch.keys, last})
				})
			}
		}
		for _, pause := range h.pauses {
			var newest int
			note(pause.begin, func() error { newest = floor; return nil })
			note(pause.end, func() error {
				if _, err := t.place(newest, pause.end, shows); err != nil {
					return inReport(fmt.Errorf("%w: %w", errWatchBehind, err), watchReport{watch.keys, last})
				}
				return nil
			})
		}
	}
	slices.SortStableFunc(events, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	for _, event := range events {
		if err := event.happens(); err != nil {
			return err
		}
	}
	return nil
}

// event is something that happens in a history.
type event struct {
	at      moment
	happens func() error
}

// operations gives the calls of a history but for the lost ones, in the order of
// the moments they were called.
func (h *history) operations() []operation {
	var operations []operation
	for _, read := range h.reads {
		operations = append(operations, read)
	}
	for _, write := range h.writes {
		if write.outcome != writeLost {
			operations = append(operations, write)
		}
	}
	slices.SortFunc(operations, func(a, b operation) int { return cmp.Compare(a.when().call, b.when().call) })
	return operations
}
