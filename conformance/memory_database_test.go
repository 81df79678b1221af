package conformance

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"

	"github.com/kvconnect/kvconnect/protocol"
)

// memoryDatabase is a database that keeps all its states, and has the faults that
// a test gives it. It is safe for concurrent use.
type memoryDatabase struct {
	fault fault

	mu      sync.Mutex
	states  []*state               // guarded by mu, and so are all below
	version int64                  // the last that was given
	changed chan struct{}          // closed at the next change
	held    []protocol.AtomicWrite // to be made late
	calls   int
}

// fault says what is wrong with a database. What is nil is right.
type fault struct {
	// reads gives the state that range or key i of a read or watch is taken from.
	reads, watches func(states []*state, call, i int) *state
	// checks gives the state that checks are held against.
	checks func(states []*state, call int) *state
	// commit makes the state after a write.
	commit func(before *state, mutations []protocol.Mutation, v protocol.Versionstamp) (*state, bool)
	// version gives the one after the last.
	version func(last int64, write protocol.AtomicWrite) int64
	// deaf tells that watches are not told of a state.
	deaf func(number int) bool
	// loses tells whether the answer to a write is lost, late whether it is then made
	// only after another one, twice whether a write is made once more.
	loses, late, twice func(call int) bool
}

func newMemoryDatabase(f fault) *memoryDatabase {
	newest := func(states []*state, _, _ int) *state { return states[len(states)-1] }
	if f.reads == nil {
		f.reads = newest
	}
	if f.watches == nil {
		f.watches = newest
	}
	if f.checks == nil {
		f.checks = func(states []*state, _ int) *state { return states[len(states)-1] }
	}
	if f.commit == nil {
		f.commit = (*state).commit
	}
	if f.version == nil {
		f.version = func(last int64, _ protocol.AtomicWrite) int64 { return last + 1 }
	}
	never := func(int) bool { return false }
	if f.deaf == nil {
		f.deaf = never
	}
	if f.loses == nil {
		f.loses = never
	}
	if f.late == nil {
		f.late = never
	}
	if f.twice == nil {
		f.twice = never
	}
	return &memoryDatabase{fault: f, states: []*state{{}}, changed: make(chan struct{})}
}

func (d *memoryDatabase) snapshotRead(_ context.Context, read protocol.SnapshotRead) (protocol.SnapshotReadOutput, error) {
	runtime.Gosched() // to the other clients
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	output := protocol.SnapshotReadOutput{Ranges: make([][]protocol.Entry, len(read.Ranges))}
	for i, r := range read.Ranges {
		for _, entry := range d.fault.reads(d.states, d.calls, i).readRange(r) {
			output.Ranges[i] = append(output.Ranges[i], *entry)
		}
	}
	return output, nil
}

var errAnswerLost = errors.New("the answer is lost")

func (d *memoryDatabase) atomicWrite(_ context.Context, write protocol.AtomicWrite) (protocol.AtomicWriteOutput, error) {
	runtime.Gosched()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	if d.fault.late(d.calls) {
		d.held = append(d.held, write)
		return protocol.AtomicWriteOutput{}, errAnswerLost
	}
	output, err := d.write(write)
	for _, late := range d.held {
		_, _ = d.write(late) // nobody waits for the answer
	}
	d.held = nil
	if d.fault.twice(d.calls) {
		_, _ = d.write(write) // the first answer counts
	}
	if d.fault.loses(d.calls) {
		return protocol.AtomicWriteOutput{}, errAnswerLost
	}
	return output, err
}

func (d *memoryDatabase) write(write protocol.AtomicWrite) (protocol.AtomicWriteOutput, error) {
	if failed := d.fault.checks(d.states, d.calls).failedChecks(write.Checks); len(failed) > 0 {
		return protocol.AtomicWriteOutput{Status: protocol.AtomicWriteCheckFailed, FailedChecks: failed}, nil
	}
	version := d.fault.version(d.version, write)
	v := protocol.VersionstampOf(version)
	after, ok := d.fault.commit(d.states[len(d.states)-1], write.Mutations, v)
	if after != nil {
		d.states = append(d.states, after)
		d.version = version
		close(d.changed)
		d.changed = make(chan struct{})
	}
	if !ok {
		return protocol.AtomicWriteOutput{}, errors.New(typeMismatchText)
	}
	return protocol.AtomicWriteOutput{Status: protocol.AtomicWriteCommitted, Versionstamp: v}, nil
}

// watch tells of every state, so that a test does not depend on how fast it is.
func (d *memoryDatabase) watch(ctx context.Context, keys [][]byte) (<-chan protocol.WatchOutput, error) {
	d.mu.Lock()
	newest := len(d.states) - 1
	d.mu.Unlock()
	outputs := make(chan protocol.WatchOutput)
	go func() {
		defer close(outputs)
		for number := newest; ; number++ {
			output, err := d.watched(ctx, keys, number)
			if err != nil {
				return
			}
			if d.fault.deaf(number) {
				continue
			}
			select {
			case outputs <- output:
			case <-ctx.Done():
				return
			}
		}
	}()
	return outputs, nil
}

// watched waits for a state and gives the keys in it.
func (d *memoryDatabase) watched(ctx context.Context, keys [][]byte, number int) (output protocol.WatchOutput, err error) {
	for {
		d.mu.Lock()
		states, changed := d.states, d.changed
		d.mu.Unlock()
		if number < len(states) {
			for i, key := range keys {
				output.Entries = append(output.Entries, d.fault.watches(states[:number+1], number, i).get(key))
			}
			return output, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return output, ctx.Err()
		}
	}
}

// ago gives the state that many commits ago.
func ago(states []*state, n int) *state { return states[max(0, len(states)-1-n)] }

// withoutDeletions is what is left of mutations if deletions are ignored.
func withoutDeletions(mutations []protocol.Mutation) []protocol.Mutation {
	return slices.DeleteFunc(slices.Clone(mutations), func(m protocol.Mutation) bool { return m.Type == protocol.MutationDelete })
}
