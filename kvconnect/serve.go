package kvconnect

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
)

// serve runs a handler and turns its error into the reply.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, methods []string, h handler) {
	// Also of a body that no handler asks for: net/http reads it before a reply
	// goes out, and would wait for it as long as the client likes.
	if r.Body != http.NoBody {
		setReadDeadline(w, time.Now().Add(s.options.BodyTimeout))
	}
	var err error
	switch {
	case h == nil:
		err = protocol.ErrNotFound
	case !slices.Contains(methods, r.Method):
		w.Header().Set("Allow", strings.Join(methods, ", "))
		err = s.wrongMethod(r, methods)
	case s.isDraining() && !isHealthPath(r.URL.Path):
		w.Header().Set("Connection", "close")
		err = errDraining
	default:
		err = h(w, r)
	}
	if err != nil {
		s.writeError(w, r, err)
	}
}

// errDraining is a 503, which clients take as a reason to try again: by then
// another server may listen.
var errDraining = fmt.Errorf("%w: the server is shutting down", protocol.ErrUnavailable)

func (s *Server) wrongMethod(r *http.Request, methods []string) error {
	if base, err := s.endpoint.base(r); r.URL.Path == "/" && err == nil {
		return fmt.Errorf("%w: this is a KV Connect server, to be opened by a program: await Deno.openKv(%q)",
			protocol.ErrMethodNotAllowed, base)
	}
	return fmt.Errorf("%w: use %s", protocol.ErrMethodNotAllowed, methods[0])
}

func (s *Server) writeError(w http.ResponseWriter, r *http.Request, err error) {
	if ctxErr := r.Context().Err(); ctxErr != nil && errors.Is(err, ctxErr) {
		// The client is gone, or has only closed its side of the connection:
		// without a reply it would get an empty one with the status 200.
		writeText(w, http.StatusServiceUnavailable, "the request was given up before it was answered")
		return
	}
	status := statusOf(err)
	if isFault(err, status) {
		s.options.Logger.Error("request failed", "path", r.URL.Path, "status", status, "error", err)
	}
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	writeText(w, status, replyText(err, status))
}

// isFault tells whether the operator must know. What is being shut down is no
// fault.
func isFault(err error, status int) bool {
	if errors.Is(err, errDraining) || errors.Is(err, protocol.ErrClosed) {
		return false
	}
	return status >= http.StatusInternalServerError || errors.Is(err, protocol.ErrDamaged)
}

// setReadDeadline bounds how long the body may take; the zero time lifts the
// bound. Both transports can do it, so there is no error to tell of.
func setReadDeadline(w http.ResponseWriter, at time.Time) {
	_ = http.NewResponseController(w).SetReadDeadline(at)
}

func writeText(w http.ResponseWriter, status int, text string) {
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("X-Content-Type-Options", "nosniff")
	writeBody(w, status, []byte(text))
}

// writeBody sends a reply whole, with its length: a client that knows where the
// reply ends does not take a connection that closes after it for a failed call,
// and does not send an atomic write again.
func writeBody(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	// An error means that the client is gone; nobody is left to tell.
	_, _ = w.Write(body)
}
