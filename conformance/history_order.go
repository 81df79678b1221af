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
	s := &sweep{timeline: t}
	s.addCommits()
	for _, op := range h.operations() {
		if write, ok := op.(*writeCall); !ok || write.outcome != writeCommitted {
			s.addCall(op)
		}
	}
	for _, watch := range h.watches {
		s.addWatch(watch, h.pauses)
	}
	return s.run()
}

// sweep goes through a history from one moment to the next.
type sweep struct {
	*timeline
	events []event
	floor  int // the newest place that was told so far
}

// event is something that happens in a history.
type event struct {
	at      moment
	happens func() error
}

func (s *sweep) add(at moment, happens func() error) { s.events = append(s.events, event{at, happens}) }

func (s *sweep) tell(place int) { s.floor = max(s.floor, place) }

func (s *sweep) run() error {
	slices.SortStableFunc(s.events, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	for _, event := range s.events {
		if err := event.happens(); err != nil {
			return err
		}
	}
	return nil
}

func (s *sweep) addCommits() {
	for i, commit := range s.commits {
		s.add(commit.call, func() error {
			if s.floor > i {
				return fmt.Errorf("%w, %s had been told:\n%s", errVersionstampBack, s.states[s.floor].version, commit)
			}
			return nil
		})
		s.add(commit.end, func() error { s.tell(i + 1); return nil })
	}
}

// addCall adds a call that has committed nothing.
func (s *sweep) addCall(op operation) {
	var place int
	s.add(op.when().call, func() (err error) {
		place, err = s.place(s.floor, op.when().end, func(st *state) bool { _, ok := op.step(st); return ok })
		return inReport(err, op)
	})
	s.add(op.when().end, func() error { s.tell(place); return nil })
}

func (s *sweep) addWatch(watch watchHistory, pauses []pause) {
	var last []*protocol.Entry // that it has told of
	shows := func(st *state) bool { return st.shows(watch.keys, last) }
	for _, stream := range watch.streams {
		var place int // of the last state
		s.add(stream.opened, func() error { place = s.floor; return nil })
		for _, told := range stream.states {
			s.add(told.seen, func() (err error) {
				last = told.entries
				place, err = s.place(place, told.seen, shows)
				s.tell(place)
				return inReport(err, watchReport{watch.keys, last})
			})
		}
	}
	for _, pause := range pauses {
		var newest int
		s.add(pause.begin, func() error { newest = s.floor; return nil })
		s.add(pause.end, func() error {
			if _, err := s.place(newest, pause.end, shows); err != nil {
				return inReport(fmt.Errorf("%w: %w", errWatchBehind, err), watchReport{watch.keys, last})
			}
			return nil
		})
	}
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
