package conformance

import (
	"context"
	"errors"
	"sync"

	"github.com/kvconnect/kvconnect/protocol"
)

// follower is a client that follows keys. It is safe for concurrent use.
type follower struct {
	keys [][]byte
	// restless has it open the watch again after every change that it is told of.
	restless bool

	mu      sync.Mutex
	streams []watchedStream // guarded by mu, and so is last
	last    []*protocol.Entry
}

// errStreamEnded: it never ends by itself.
var errStreamEnded = errors.New("the stream ended")

// follow notes the states of one stream.
func (f *follower) follow(ctx context.Context, r *recorder, db database) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	opened := r.now()
	states, err := db.watch(ctx, f.keys)
	if err != nil {
		return err
	}
	stream := f.add(watchedStream{opened: opened})
	told := 0
	for state := range states {
		f.note(stream, watchedState{r.now(), state.Entries})
		told++
		if f.restless && told == 2 {
			cancel()
			for range states { // until the other side has ended
			}
			return nil
		}
	}
	return errStreamEnded
}

func (f *follower) add(stream watchedStream) (number int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.streams = append(f.streams, stream)
	return len(f.streams) - 1
}

func (f *follower) note(stream int, state watchedState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.streams[stream].states = append(f.streams[stream].states, state)
	f.last = state.entries
}

// shows tells whether the newest state that the watch told of is that of s.
func (f *follower) shows(s *state) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return s.shows(f.keys, f.last)
}

// taken gives what was noted, which is then the caller's.
func (f *follower) taken() watchHistory {
	f.mu.Lock()
	defer f.mu.Unlock()
	watch := watchHistory{f.keys, f.streams}
	f.streams = nil
	return watch
}
