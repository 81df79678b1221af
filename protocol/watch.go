package protocol

import "context"

// Watch asks to follow keys ("KV Connect, Data Path Protocol, Watch Request").
// No keys at all are allowed: such a watch tells of nothing.
type Watch struct {
	Keys [][]byte
}

// WatchOutput is the state of every watched key, in the order of the request;
// nil stands for an absent key.
type WatchOutput struct {
	Entries []*Entry
}

// Watcher is a watch under way. It keeps no queue of states: who is slow to ask
// gets the newest one. Its methods are safe for concurrent use.
type Watcher interface {
	// Changed gives the channel on which a token arrives when State may have
	// news: at once for the first state, then after each commit or expiry that
	// touches a watched key, and when the backend is closed. Tokens that nobody
	// took collapse into one.
	Changed() <-chan struct{}

	// State gives the newest state of the watched keys as of one point in time,
	// which holds every change that a token announced.
	State(ctx context.Context) (WatchOutput, error)

	// Close ends the watch and frees what it holds.
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
