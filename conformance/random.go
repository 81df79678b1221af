package conformance

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/protocol"
)

// RandomRuns says how much RunRandom does.
type RandomRuns struct {
	Runs   int    // each has a database of its own
	Writes int    // of each run
	Seed   uint64 // of the first run; each run has one more than that before
}

// enoughWrites is how many must meet every kind of outcome.
const enoughWrites = 1000

// Grouping is a Backend that a test can have commit several writes together.
type Grouping interface {
	// HoldWriter keeps writes from being made until release is called.
	HoldWriter() (release func())
	// QueuedWrites tells how many writes wait.
	QueuedWrites() int
}

// RunRandom makes random atomic writes, one at a time and several at once, and
// compares the whole database with a model after each. The backend must take its
// time from the clock; if it is a Grouping, writes are also committed together.
// open gives a new and empty one, which RunRandom closes.
func RunRandom(t *testing.T, runs RandomRuns, open func(t *testing.T, clock *Clock) kvconnect.Backend) {
	t.Helper()
	met := &outcomeCount{times: make(map[string]int)}
	t.Cleanup(func() {
		for _, kind := range outcomes {
			if met.total() >= enoughWrites && met.times[kind] == 0 {
				t.Errorf("no write met this: %s", kind)
			}
		}
	})
	for i := range runs.Runs {
		seed := runs.Seed + uint64(i)
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			clock := NewClock()
			backend := open(t, clock)
			defer func() {
				if err := backend.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			}()
			m := newModel(clock)
			run := &randomRun{ctx: t.Context(), backend: backend, model: m, random: newRandomWrites(seed, m), met: met}
			if err := run.all(runs.Writes); err != nil {
				t.Error(err)
			}
		})
	}
}

// randomRun holds a backend against a model.
type randomRun struct {
	ctx     context.Context //nolint:containedctx // of one run, which has no other way to pass it on
	backend kvconnect.Backend
	model   *model
	random  *randomWrites
	met     *outcomeCount
}

func (r *randomRun) all(writes int) error {
	for made := 0; made < writes; {
		if r.random.random.IntN(3) == 0 {
			r.model.moveClock(r.random.moment())
		}
		group := make([]protocol.AtomicWrite, pick(r.random.random, 1, 1, 1, 1, 2, 3, 5))
		for i := range group {
			group[i] = r.random.write()
		}
		if err := r.judge(group, r.makeWrites(group)); err != nil {
			return fmt.Errorf("after %d writes: %w", made, err)
		}
		made += len(group)
		if err := r.compare(); err != nil {
			return fmt.Errorf("after %d writes: %w", made, err)
		}
	}
	return nil
}

// makeWrites makes the writes at once, or has them committed together.
func (r *randomRun) makeWrites(writes []protocol.AtomicWrite) []outcome {
	got := make([]outcome, len(writes))
	var wait sync.WaitGroup
	defer wait.Wait()
	hold := r.random.random.IntN(2) == 0
	grouping, canHold := r.backend.(Grouping)
	if hold && canHold {
		release := grouping.HoldWriter()
		defer release()
	}
	var answered atomic.Bool
	for i, write := range writes {
		wait.Go(func() {
			got[i] = outcomeOf(r.backend.AtomicWrite(r.ctx, write))
			answered.Store(true)
		})
	}
	if hold && canHold {
		// The removal of expired keys may be among what waits. Then a write is
		// committed after the others, which is all the same here.
		// A write that is answered now was not held, and never will be.
		for grouping.QueuedWrites() < len(writes) && !answered.Load() {
			runtime.Gosched()
		}
		r.model.moveClock(r.random.moment())
	}
	return got
}

// judge tells whether the outcomes are those of writes made one after another.
// The versionstamps say in which order. A write that was not committed may have
// had its turn at any time: there must be one at which it had to end as it did.
func (r *randomRun) judge(writes []protocol.AtomicWrite, got []outcome) error {
	var committed, others []int
	for i := range writes {
		if got[i].committed() {
			committed = append(committed, i)
		} else {
			others = append(others, i)
		}
	}
	slices.SortFunc(committed, func(a, b int) int {
		return bytes.Compare(got[a].Output.Versionstamp[:], got[b].Output.Versionstamp[:])
	})
	leaveOutExplained := func() {
		others = slices.DeleteFunc(others, func(i int) bool { return outcomesDiffer(r.model.wouldGive(writes[i]), got[i]) == "" })
	}
	leaveOutExplained()
	for _, i := range committed {
		version := versionOf(got[i].Output.Versionstamp)
		if err := r.model.check(version); err != nil {
			return fmt.Errorf("%w: %s", err, messageText(atomicWriteMessage(writes[i])))
		}
		if diff := outcomesDiffer(outcomeOf(r.model.atomicWrite(writes[i], version)), got[i]); diff != "" {
			return fmt.Errorf("outcome (-want +got):\n%s%s", diff, messageText(atomicWriteMessage(writes[i])))
		}
		leaveOutExplained()
	}
	if len(others) > 0 {
		i := others[0]
		return fmt.Errorf("write %d of %d (-want at the end +got):\n%s%s", i, len(writes),
			outcomesDiffer(r.model.wouldGive(writes[i]), got[i]), messageText(atomicWriteMessage(writes[i])))
	}
	for _, o := range got {
		r.met.add(o)
	}
	return nil
}

// compare reads the whole database, a page at a time, and then some ranges.
func (r *randomRun) compare() error {
	for page := r.random.page(); ; {
		entries, err := r.read(page)
		if err != nil {
			return err
		}
		if len(entries[0]) < page.Limit {
			break
		}
		last := entries[0][page.Limit-1].Key
		if page.Reverse {
			page.End = last
		} else {
			page.Start = append(slices.Clone(last), 0)
		}
	}
	_, err := r.read(r.random.ranges()...)
	return err
}

// read gives the entries of the ranges, which must be those of the model.
func (r *randomRun) read(ranges ...protocol.ReadRange) ([][]protocol.Entry, error) {
	read := protocol.SnapshotRead{Ranges: ranges}
	got, err := r.backend.SnapshotRead(r.ctx, read)
	if err != nil {
		return nil, err
	}
	want := r.model.snapshotRead(read)
	if reflect.DeepEqual(want, got) { // as a rule, and much faster
		return got.Ranges, nil
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		return nil, fmt.Errorf("read of %v (-want +got):\n%s", ranges, diff)
	}
	return got.Ranges, nil
}
