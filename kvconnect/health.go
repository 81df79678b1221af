package kvconnect

import (
	"context"
	"net/http"
	"time"

	"github.com/kvconnect/kvconnect/transport"
)

// readyTimeout bounds the read by which /readyz finds out.
const readyTimeout = 2 * time.Second

func isHealthPath(path string) bool { return path == "/healthz" || path == "/readyz" }

// serveHealthz tells that the process is up.
func (*Server) serveHealthz(http.ResponseWriter, *http.Request, *record) (transport.Reply, error) {
	return textReply(http.StatusOK, "ok\n"), nil
}

// serveReadyz tells whether the server can be used.
func (s *Server) serveReadyz(_ http.ResponseWriter, r *http.Request, _ *record) (transport.Reply, error) {
	if s.isDraining() {
		return textReply(http.StatusServiceUnavailable, "not ready: draining\n"), nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	err := s.options.Databases.Check(ctx)
	if err != nil && r.Context().Err() != nil {
		return transport.Reply{}, err // whoever asked has gone, which says nothing of the database
	}
	if err != nil {
		s.options.Logger.Error("not ready", "error", err)
		return textReply(http.StatusServiceUnavailable, "not ready: the database cannot be read\n"), nil
	}
	return textReply(http.StatusOK, "ready\n"), nil
}
