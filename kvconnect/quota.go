package kvconnect

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/transport"
)

// countRequest counts a call of the data path, or fails with protocol.ErrTooManyRequests.
// One that the database refuses has been counted for its token. The metadata exchange is not
// counted: a client without it is cut off, not slowed down.
func (s *Server) countRequest(grant *access.Grant) error {
	if grant.Token == nil && grant.Database == nil {
		return nil
	}
	now := s.options.Now()
	if wait := grant.Token.Request(now); wait > 0 {
		return newTooSoonError(fmt.Errorf("%w: this access token allows %v a second",
			protocol.ErrTooManyRequests, grant.Token.Limits().RequestsPerSecond), wait)
	}
	if wait := grant.Database.Request(now); wait > 0 {
		return newTooSoonError(fmt.Errorf("%w: this database allows %v a second",
			protocol.ErrTooManyRequests, grant.Database.Limits().RequestsPerSecond), wait)
	}
	return nil
}

// countWatch counts a watch, until uncountWatch, or fails with protocol.ErrTooManyWatches.
func countWatch(grant *access.Grant) error {
	if !grant.Token.OpenWatch() {
		return fmt.Errorf("%w: this access token allows %d at once, close one of them",
			protocol.ErrTooManyWatches, grant.Token.Limits().Watches)
	}
	if !grant.Database.OpenWatch() {
		grant.Token.CloseWatch()
		return fmt.Errorf("%w: this database allows %d at once, close one of them",
			protocol.ErrTooManyWatches, grant.Database.Limits().Watches)
	}
	return nil
}

func uncountWatch(grant *access.Grant) {
	grant.Token.CloseWatch()
	grant.Database.CloseWatch()
}

// tooSoonError is an error that time cures.
type tooSoonError struct {
	err               error
	retryAfterSeconds int
}

func newTooSoonError(err error, wait time.Duration) *tooSoonError {
	return &tooSoonError{err: err, retryAfterSeconds: max(1, int(math.Ceil(wait.Seconds())))}
}

func (e *tooSoonError) Error() string {
	return fmt.Sprintf("%v; try again in %d s", e.err, e.retryAfterSeconds)
}

func (e *tooSoonError) Unwrap() error { return e.err }

// addTo gives the head of a reply with the time to wait.
func (e *tooSoonError) addTo(head *transport.Head) *transport.Head {
	return &transport.Head{Status: head.Status, Fields: append(head.Fields[:len(head.Fields):len(head.Fields)],
		transport.Field{Name: "Retry-After", Value: strconv.Itoa(e.retryAfterSeconds)})}
}
