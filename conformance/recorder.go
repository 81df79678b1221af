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
