package kvconnect

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/transport"
)

// readyTimeout bounds the read by which /readyz finds out.
const readyTimeout = 2 * time.Second

// errUnreadable: the read by which /readyz finds out has failed.
var errUnreadable = errors.New("the database cannot be read")

func isHealthPath(path string) bool { return path == "/healthz" || path == "/readyz" }

// serveHealthz tells that the process is up.
func (*Server) serveHealthz(http.ResponseWriter, *http.Request, *record) (transport.Reply, error) {
	return textReply(http.StatusOK, "ok\n"), nil
}

// serveReadyz tells whether the server can be used, and if not, why not.
func (s *Server) serveReadyz(_ http.ResponseWriter, r *http.Request, _ *record) (transport.Reply, error) {
	if s.isDraining() {
		return notReadyReply("draining"), nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	err := s.options.Databases.Check(ctx)
	if err != nil && r.Context().Err() != nil {
		return transport.Reply{}, err // whoever asked has gone, which says nothing of the database
	}
	reason := notReadyReason(err)
	s.noteReadiness(reason, err)
	if err != nil {
		return notReadyReply(reason), nil
	}
	return textReply(http.StatusOK, "ready\n"), nil
}

func notReadyReply(reason string) transport.Reply {
	return textReply(http.StatusServiceUnavailable, "not ready: "+reason+"\n")
}

// notReadyReason says in words why a server is not ready, and nothing that is not for
// everybody; "" if it is ready.
func notReadyReason(err error) string {
	const readsGoOn = ": writes fail, reads go on"
	switch {
	case err == nil:
		return ""
	case errors.Is(err, errUnreadable):
		return errUnreadable.Error()
	case errors.Is(err, protocol.ErrDiskFull):
		return "the disk is full" + readsGoOn
	case errors.Is(err, protocol.ErrDiskReadOnly):
		return "the file system is read-only" + readsGoOn
	case errors.Is(err, protocol.ErrDiskFailing):
		return "the disk reports errors" + readsGoOn
	case errors.Is(err, protocol.ErrFileMoved):
		return "the file of the database was moved, removed or replaced" + readsGoOn
	default:
		return errUnreadable.Error()
	}
}

// readiness is what the log was told last. It is safe for concurrent use.
type readiness struct {
	mu     sync.Mutex
	reason string // guarded by mu: why the server is not ready; "" if it is
}

// noteReadiness tells the log of a change, not of each who asks.
func (s *Server) noteReadiness(reason string, err error) {
	s.ready.mu.Lock()
	defer s.ready.mu.Unlock()
	if s.ready.reason == reason {
		return
	}
	s.ready.reason = reason
	if err != nil {
		s.options.Logger.Error("not ready", "reason", reason, "error", err)
		return
	}
	s.options.Logger.Info("ready again")
}
