package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"unicode"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/httpconn"
)

// statusError is a reply of another status than 200.
type statusError struct {
	status int
	text   string
}

// Error implements error.
func (e *statusError) Error() string {
	// What the server says goes to a terminal: as a line of its own, and as text alone.
	const enough = 200
	text := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.Join(strings.Fields(e.text), " ")))
	if len(text) > enough {
		text = append(text[:enough], '…')
	}
	return strings.TrimSuffix(fmt.Sprintf("status %d: %s", e.status, string(text)), ": ")
}

// wrongReplyError is a reply that does not say what it must.
type wrongReplyError struct{ text string }

// Error implements error.
func (e *wrongReplyError) Error() string { return e.text }

func wrongReply(format string, args ...any) error {
	return &wrongReplyError{fmt.Sprintf(format, args...)}
}

// kindOf gives what errors are counted by.
func kindOf(err error) string {
	var status *statusError
	var wrong *wrongReplyError
	var reset *httpconn.ResetError
	var network *net.OpError
	switch {
	case errors.As(err, &status):
		return fmt.Sprintf("status %d", status.status)
	case errors.As(err, &wrong):
		return "wrong reply"
	case errors.As(err, &reset):
		return "stream reset"
	case errors.Is(err, httpconn.ErrGoAway):
		return "connection closed by the server"
	case errors.Is(err, httpconn.ErrSilent), errors.Is(err, context.DeadlineExceeded), errors.Is(err, errLate):
		return "timeout"
	case errors.Is(err, httpconn.ErrProtocol):
		return "not HTTP"
	case errors.Is(err, httpconn.ErrLost):
		return "connection lost"
	case errors.As(err, &network) && network.Op == "dial":
		return "cannot connect"
	default:
		return "other"
	}
}

// errLate is the end of a call that was still under way long after the time was up.
var errLate = errors.New("no answer within the timeout")

// ErrorCount counts errors of one kind.
type ErrorCount struct {
	Kind  string `json:"kind"`
	Count uint64 `json:"count"`
	// First is the text of the first one.
	First string `json:"first"`
}

// errorCounts counts errors by kind.
type errorCounts map[string]*ErrorCount

func (c errorCounts) add(err error) {
	kind := kindOf(err)
	if c[kind] == nil {
		c[kind] = &ErrorCount{Kind: kind, First: err.Error()}
	}
	c[kind].Count++
}

func (c errorCounts) merge(other errorCounts) {
	for kind, e := range other {
		if c[kind] == nil {
			c[kind] = &ErrorCount{Kind: kind, First: e.First}
		}
		c[kind].Count += e.Count
	}
}

func (c errorCounts) total() (n uint64) {
	for _, e := range c {
		n += e.Count
	}
	return n
}
