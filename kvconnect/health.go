package kvconnect

import (
	"context"
	"net/http"
	"time"
)

// readyTimeout bounds the read by which /readyz finds out.
const readyTimeout = 2 * time.Second

func isHealthPath(path string) bool { return path == "/healthz" || path == "/readyz" }

// serveHealthz tells that the process is up.
func (s *Server) serveHealthz(w http.ResponseWriter, _ *http.Request) error {
	writeReply(w, textReply(http.StatusOK, "ok\n"))
	return nil
}

// serveReadyz tells whether the server can be used.
func (s *Server) serveReadyz(w http.ResponseWriter, r *http.Request) error {
	if s.isDraining() {
		writeReply(w, textReply(http.StatusServiceUnavailable, "not ready: draining\n"))
		return nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	err := s.options.Databases.Check(ctx)
	if err != nil && r.Context().Err() != nil {
		return err // whoever asked has gone, which says nothing of the database
	}
	if err != nil {
		s.options.Logger.Error("not ready", "error", err)
		writeReply(w, textReply(http.StatusServiceUnavailable, "not ready: the database cannot be read\n"))
		return nil
	}
	writeReply(w, textReply(http.StatusOK, "ready\n"))
	return nil
}
