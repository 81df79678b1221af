package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/httpconn"
)

func TestKindsOfErrors(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"status 429":                      &statusError{status: 429},
		"wrong reply":                     wrongReply("a %s", "lie"),
		"stream reset":                    &httpconn.ResetError{},
		"connection closed by the server": httpconn.ErrGoAway,
		"timeout":                         httpconn.ErrSilent,
		"not HTTP":                        httpconn.ErrProtocol,
		"connection lost":                 httpconn.ErrLost,
		"cannot connect":                  &net.OpError{Op: "dial", Err: errors.New("refused")},
		"other":                           errors.New("x"),
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			if got := kindOf(fmt.Errorf("wrapped: %w", err)); got != want {
				t.Errorf("%v is of kind %q, want %q", err, got, want)
			}
		})
	}
	for _, err := range []error{errLate, context.DeadlineExceeded} {
		if got := kindOf(err); got != "timeout" {
			t.Errorf("%v is of kind %q", err, got)
		}
	}
}

// What a server says is shown on one line, and does nothing to the terminal.
func TestTextsOfServers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                       "status 500",
		"no\n\tsuch  thing\n":    "status 500: no such thing",
		"\x1b[31mred\x00\xff":    "status 500:  [31mred \ufffd",
		strings.Repeat("é", 300): "status 500: " + strings.Repeat("é", 200) + "…",
	} {
		if got := (&statusError{status: 500, text: text}).Error(); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}
