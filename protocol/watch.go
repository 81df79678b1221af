package protocol

import (
	"context"
	"sync/atomic"
)

// Watch asks to follow keys ("KV Connect, Data Path Protocol, Watch Request").
// No keys at all are allowed: such a watch tells of nothing.
type Watch struct {
	Keys [][]byte
}

// WatchOutput is the state of every watched key, in the order of the request;
// nil stands for an absent key.
type WatchOutput struct {
	Entries []*Entry

	frame *atomic.Pointer[[]byte] // for all who share it; nil if it is not shared
}

// Shared gives the output for many watches to be told of. Its frame is made once for all of
// them. The entries must not be changed any more.
func (o WatchOutput) Shared() WatchOutput {
	o.frame = new(atomic.Pointer[[]byte])
	return o
}

// Watcher is a watch under way. Whoever opened it gave a function that is called when
// State may have news. No states are queued: who is slow to ask gets the newest one. Its
// methods are safe for concurrent use.
type Watcher interface {
	// State gives the state of the watched keys as of one point in time, which holds
	// every change that was told of, and is not before that of a State that has
	// returned. Watchers may share it, so it must not be changed. It fails with
	// ErrClosed if the backend is closed.
	State(ctx context.Context) (WatchOutput, error)

	// Close ends the watch and frees what it holds. It waits for a call of the
	// function under way; none comes after it. A second Close does nothing.
	Close()
}

// Versionstamps gives that of each entry, the zero one for an absent key. Two
// states of one watch are the same if these are.
func (o WatchOutput) Versionstamps() []Versionstamp {
	versionstamps := make([]Versionstamp, len(o.Entries))
	for i, entry := range o.Entries {
		if entry != nil {
			versionstamps[i] = entry.Versionstamp
		}
	}
	return versionstamps
}
