package httpconn

import (
	"errors"
	"fmt"

	"golang.org/x/net/http2"
)

// The ends of a connection. The error of a call wraps one of them, a *ResetError, or
// the error of its context.
var (
	// ErrLost is given when the connection broke or was closed.
	ErrLost = errors.New("connection lost")
	// ErrGoAway is given when the server takes no more calls on the connection.
	ErrGoAway = errors.New("the server closes the connection (GOAWAY)")
	// ErrSilent is given when the server sent nothing for the patience of Dial.
	ErrSilent = errors.New("the server does not answer")
	// ErrProtocol is given when what the server sends is not HTTP of that version.
	ErrProtocol = errors.New("unexpected data from the server")

	errReplyTooLong = fmt.Errorf("%w: a reply of more than %d bytes", ErrProtocol, MaxReplyBytes)
)

// ResetError is a call that the server ended by RST_STREAM.
type ResetError struct {
	Code http2.ErrCode
}

// Error implements error.
func (e *ResetError) Error() string {
	return fmt.Sprintf("the server reset the stream (%v)", e.Code)
}
