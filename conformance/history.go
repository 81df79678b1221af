package conformance

import (
	"errors"
	"fmt"
	"math"

	"github.com/kvconnect/kvconnect/protocol"
)

// history is what concurrent clients asked of a database and what they saw of it.
type history struct {
	reads   []*readCall
	writes  []*writeCall
	watches []watchHistory
	// unmade counts the lost writes that turned out not to have been made.
	unmade int
	pauses []pause
}

// pause is a time in which nobody called. The watches had until its end to tell of
// the last state.
type pause struct{ begin, end moment }

// moment is a point in a history: of two moments the lesser came first.
type moment int64

// never is when a call ends whose client learnt nothing of its outcome.
const never = moment(math.MaxInt64)

// span is the time in which a call had its effect, at one point of it.
type span struct{ call, end moment }

// readCall is a snapshot read that was answered.
type readCall struct {
	client int
	span
	request protocol.SnapshotRead
	output  protocol.SnapshotReadOutput
}

// writeOutcome is what a client knows of its atomic write.
type writeOutcome int

const (
	// writeCommitted: it was made.
	writeCommitted writeOutcome = iota + 1
	// writeCheckFailed: it was not made, because a check did not hold.
	writeCheckFailed
	// writeTypeMismatch: it was not made, because of a sum, min or max of what is
	// no number.
	writeTypeMismatch
	// writeLost: the client does not know, because the connection broke.
	writeLost
)

// writeCall is an atomic write. One that the server refused to begin with leaves
// no call behind: whatever there is of it came from nowhere.
type writeCall struct {
	client int
	span
	request      protocol.AtomicWrite
	outcome      writeOutcome
	versionstamp protocol.Versionstamp // if committed
	failedChecks []uint32              // if a check failed
}

// watchHistory is what one client saw that followed keys, and opened the watch
// again whenever its stream broke.
type watchHistory struct {
	keys    [][]byte
	streams []watchedStream
}

type watchedStream struct {
	opened moment
	states []watchedState
}

type watchedState struct {
	seen    moment
	entries []*protocol.Entry // of each key, nil if absent
}

var (
	errMadeTwice    = errors.New("a write was made twice")
	errUndiscovered = errors.New("the log cannot tell whether a lost write was made")
)

// resolve takes the lost writes out of the history that were not made, and makes
// committed ones of the others. The log holds an entry for each write that was
// made, under its versionstamp; it is to be read when no write can be under way
// any more.
func (h *history) resolve(log []protocol.Entry) error {
	made := make(map[string]protocol.Versionstamp)
	for _, entry := range log {
		id := string(entry.Value.Data)
		if earlier, twice := made[id]; twice {
			return fmt.Errorf("%w: %s, as %s and as %s", errMadeTwice, id, earlier, entry.Versionstamp)
		}
		made[id] = entry.Versionstamp
	}
	known := h.writes[:0]
	for _, write := range h.writes {
		if write.outcome != writeLost {
			known = append(known, write)
			continue
		}
		id, logged := logID(write.request)
		if !logged && len(write.request.Mutations) > 0 {
			return fmt.Errorf("%w: %s", errUndiscovered, write)
		}
		if v, ok := made[id]; ok && logged {
			write.outcome, write.versionstamp = writeCommitted, v
			known = append(known, write)
		} else {
			h.unmade++
		}
	}
	h.writes = known
	return nil
}

// logID gives what a write adds to the log.
func logID(write protocol.AtomicWrite) (id string, ok bool) {
	for _, mutation := range write.Mutations {
		if mutation.Type == protocol.MutationSetVersionstampedKey {
			return string(mutation.Value.Data), true
		}
	}
	return "", false
}
