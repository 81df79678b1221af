package kvconnect_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/protocol"
)

// troubledBackend is a Backend that tells of trouble.
type troubledBackend struct {
	*memoryBackend
	trouble atomic.Pointer[error] // nil for none
}

func (b *troubledBackend) Trouble() error {
	if err := b.trouble.Load(); err != nil {
		return *err
	}
	return nil
}

// Whoever asks is told why the server is not ready, without what is for the operator alone;
// and the log is told of changes, however often somebody asks.
func TestReadiness(t *testing.T) {
	t.Parallel()
	secret := errors.New("the secret file")
	for name, c := range map[string]struct {
		trouble, read error
		want          string
	}{
		"full":      {fmt.Errorf("commit: %w (%w)", protocol.ErrDiskFull, secret), nil, "the disk is full: writes fail, reads go on"},
		"read-only": {fmt.Errorf("commit: %w (%w)", protocol.ErrDiskReadOnly, secret), nil, "the file system is read-only: writes fail, reads go on"},
		"failing":   {fmt.Errorf("commit: %w (%w)", protocol.ErrDiskFailing, secret), nil, "the disk reports errors: writes fail, reads go on"},
		"moved": {
			fmt.Errorf("commit: %w (%w)", protocol.ErrFileMoved, secret), nil,
			"the file of the database was moved, removed or replaced: writes fail, reads go on",
		},
		"unreadable":          {nil, secret, "the database cannot be read"},
		"unreadable disk":     {nil, fmt.Errorf("read: %w (%w)", protocol.ErrDiskFailing, secret), "the database cannot be read"},
		"full and unreadable": {protocol.ErrDiskFull, secret, "the database cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &safeBuffer{}
			backend := &troubledBackend{memoryBackend: &memoryBackend{}}
			s := start(t, func(o *setup) {
				o.backend = backend
				o.Logger = slog.New(slog.NewTextHandler(log, nil))
			})
			ask := func(status int, want string) {
				t.Helper()
				for range 3 {
					if got := s.do(t, http.MethodGet, "/readyz", nil, nil); got.status != status || got.body != want+"\n" {
						t.Errorf("status %d: %q, want %d: %q", got.status, got.body, status, want)
					}
				}
			}
			ask(http.StatusOK, "ready")
			if c.trouble != nil {
				backend.trouble.Store(&c.trouble)
			}
			backend.become(c.read)
			ask(http.StatusServiceUnavailable, "not ready: "+c.want)
			backend.trouble.Store(nil)
			backend.become(nil)
			ask(http.StatusOK, "ready")
			for line, want := range map[string]int{`msg="not ready"`: 1, `msg="ready again"`: 1} {
				if n := strings.Count(log.String(), line); n != want {
					t.Errorf("the log has %s %d times, want %d:\n%s", line, n, want, log)
				}
			}
		})
	}
}

// What the disk does to a write is told to the program, which repeats a 5xx without a word,
// and not to the log, for which the backend has one line about all of them.
func TestDiskErrors(t *testing.T) {
	t.Parallel()
	for _, want := range []error{protocol.ErrDiskFull, protocol.ErrDiskReadOnly, protocol.ErrDiskFailing, protocol.ErrFileMoved} {
		t.Run(want.Error(), func(t *testing.T) {
			t.Parallel()
			log := &safeBuffer{}
			s := start(t, func(o *setup) {
				o.backend = failingBackend{o.backend, fmt.Errorf("commit: %w (%w)", want, errors.New("the secret file"))}
				o.Logger = slog.New(slog.NewTextHandler(log, nil))
			})
			reply := s.call(t, "atomic_write", nil)
			if reply.status != http.StatusUnprocessableEntity || reply.body != want.Error() {
				t.Errorf("status %d: %s", reply.status, reply.body)
			}
			if log.String() != "" {
				t.Errorf("it logged %s", log)
			}
		})
	}
}

var _ kvconnect.TroubleTeller = (*troubledBackend)(nil)
