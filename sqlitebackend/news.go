package sqlitebackend

import (
	"bytes"
	"slices"
	"sync/atomic"

	"github.com/kvconnect/kvconnect/protocol"
)

// news is a change of which several watchers were told together. The first that asks for
// the state reads it, and leaves it here for those that watch the same keys: a change that a
// hundred thousand watchers are told of costs one read. Who can make no use of it, as it
// watches other keys too, leaves what it reads as well. It is gone when all have asked.
type news struct {
	found atomic.Pointer[finding] // the last; nil until one has asked
}

// maxFindings is how many states are kept of a change: all watchers look through them.
const maxFindings = 8

// finding is the state of keys as one watcher has read it. It is not changed.
type finding struct {
	keys     [][]byte
	state    protocol.WatchOutput
	expiryMs int64 // the first among the entries; 0 for none

	// Turns of the hub. The read began after the watchers were told, or while they were.
	begun, ended uint64

	before *finding // what was found before; nil for none
	number int      // of findings, with those before
}

// leave leaves a state for others to find.
func (n *news) leave(f *finding) {
	for {
		last := n.found.Load()
		f.before, f.number = nil, 1
		if last != nil && last.number < maxFindings {
			f.before, f.number = last, last.number+1
		}
		if n.found.CompareAndSwap(last, f) {
			return
		}
	}
}

// findingFor gives what a watcher may take for its state; nil if it must read. It must not
// go back in time, so what was read before its last state, or while that was, is not for it:
// a watcher may ask before it is told. Nor is what has an entry that expired meanwhile.
func (n *news) findingFor(w *watcher) *finding {
	if n == nil {
		return nil
	}
	for f := n.found.Load(); f != nil; f = f.before {
		if f.isFor(w) {
			return f
		}
	}
	return nil
}

// isFor tells whether it is what a watcher would find now.
func (f *finding) isFor(w *watcher) bool {
	switch {
	case f.begun <= w.lastAsked.Load():
		return false
	case f.expiryMs != 0 && w.backend.clock.nowMs() >= f.expiryMs:
		return false
	default:
		return sameKeys(f.keys, w.keys) // or it is a watch of more keys, or keys of one hash
	}
}

// sameKeys tells whether watches follow the same keys in the same order, so that they have
// the same state.
func sameKeys(a, b [][]byte) bool { return slices.EqualFunc(a, b, bytes.Equal) }
