package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/kvconnect/kvconnect/protocol"
)

// recorder makes calls and writes their history. It is safe for concurrent use.
type recorder struct {
	moments atomic.Int64

	mu      sync.Mutex
	history history // guarded by mu
}

func (r *recorder) now() moment { return moment(r.moments.Add(1)) }

// read makes a snapshot read. One that fails tells nothing and is not noted.
func (r *recorder) read(ctx context.Context, db database, client int, ranges ...protocol.ReadRange) (protocol.SnapshotReadOutput, error) {
	c := &readCall{client: client, request: protocol.SnapshotRead{Ranges: ranges}}
	var err error
	c.call = r.now()
	c.output, err = db.snapshotRead(ctx, c.request)
	c.end = r.now()
	if err != nil {
		return protocol.SnapshotReadOutput{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history.reads = append(r.history.reads, c)
	return c.output, nil
}

// typeMismatchText is in the error of a write that sums what is no number.
const typeMismatchText = "mutation on a non-U64 value in the database"

// write makes an atomic write. It fails if the write was refused or lost.
func (r *recorder) write(ctx context.Context, db database, client int, request protocol.AtomicWrite) (*writeCall, error) {
	c := &writeCall{client: client, request: request}
	c.call = r.now()
	output, err := db.atomicWrite(ctx, request)
	c.end = r.now()
	switch {
	case err != nil && strings.Contains(err.Error(), typeMismatchText):
		c.outcome, err = writeTypeMismatch, nil
	case err != nil && isRefusal(err):
		return nil, err
	case err != nil:
		c.outcome, c.end = writeLost, never
	case output.Status == protocol.AtomicWriteCommitted:
		c.outcome, c.versionstamp = writeCommitted, output.Versionstamp
	case output.Status == protocol.AtomicWriteCheckFailed:
		c.outcome, c.failedChecks = writeCheckFailed, output.FailedChecks
	default:
		return nil, fmt.Errorf("the write ended with the status %d", output.Status)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history.writes = append(r.history.writes, c)
	return c, err
}

// isRefusal tells whether an error says that the call was not made and may be made
// again, as clients do by themselves.
func isRefusal(err error) bool {
	var status *statusError
	return errors.Is(err, protocol.ErrUnavailable) || errors.As(err, &status) && status.status == http.StatusServiceUnavailable
}

// isFault tells whether an error is not of the kind that a broken connection or a
// server that stops can cause.
func isFault(err error) bool {
	var status *statusError
	return errors.As(err, &status) && !isRefusal(err)
}

func (r *recorder) notePause(p pause) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history.pauses = append(r.history.pauses, p)
}

func (r *recorder) noteWatch(watch watchHistory) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history.watches = append(r.history.watches, watch)
}

// taken gives the history, which is then the caller's.
func (r *recorder) taken() *history {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.history
	r.history = history{}
	return &h
}

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
