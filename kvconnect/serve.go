package kvconnect

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/transport"
)

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.boundBody(w, r)
	call, refusal := s.Admit(transport.Request{Method: r.Method, Path: r.URL.Path, Header: r.Header, RemoteAddr: r.RemoteAddr})
	switch {
	case refusal != nil:
		s.closeIfDraining(w)
		s.writePatiently(w, r, *refusal)
	case call != nil:
		s.serveCall(w, r, call)
	default:
		methods, h := s.route(r.URL.Path)
		s.serve(w, r, methods, h)
	}
}

// HealthHandler gives a handler of /healthz and /readyz alone.
func (s *Server) HealthHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.boundBody(w, r)
		var methods []string
		var h handler
		if isHealthPath(r.URL.Path) {
			methods, h = s.route(r.URL.Path)
		}
		writeReply(w, s.answer(w, r, &record{}, methods, h))
	})
}

// boundBody bounds how long the body may take. Also one that no handler asks for:
// net/http reads it before a reply goes out, and would wait for it as long as the
// client likes.
func (s *Server) boundBody(w http.ResponseWriter, r *http.Request) {
	if r.Body != http.NoBody {
		setReadDeadline(w, time.Now().Add(s.options.BodyTimeout))
	}
}

// closeIfDraining ends the connection with the reply if the server drains: another one
// is to be found by a new connection.
func (s *Server) closeIfDraining(w http.ResponseWriter) {
	if s.isDraining() {
		w.Header().Set("Connection", "close")
	}
}

// serve answers a request by a handler, unless the method is none of those it takes.
// Without methods there is no such path.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, methods []string, h handler) {
	if isHealthPath(r.URL.Path) {
		// It must be answered when nothing else is, and is asked for all the time.
		writeReply(w, s.answer(w, r, &record{}, methods, h))
		return
	}
	record := newRecord(methodOf(r.URL.Path), r.Header, r.RemoteAddr)
	var reply transport.Reply
	func() {
		defer func() { s.end(&record, &reply) }()
		reply = s.answer(w, r, &record, methods, h)
	}()
	s.writePatiently(w, r, reply)
}

// answer gives the reply of a handler, or what its error becomes.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, record *record, methods []string, h handler) transport.Reply {
	var reply transport.Reply
	var err error
	switch {
	case methods == nil:
		err = protocol.ErrNotFound
	case !slices.Contains(methods, r.Method):
		w.Header().Set("Allow", strings.Join(methods, ", "))
		err = s.wrongMethod(r, methods)
	case s.isDraining() && !isHealthPath(r.URL.Path):
		s.closeIfDraining(w)
		err = errDraining
	default:
		reply, err = h(w, r, record)
	}
	if err != nil {
		return s.failureReply(r.Context(), record, err)
	}
	return reply
}

// methodOf gives the method that a path which is none of the data path stands for.
func methodOf(path string) Method {
	if path == "/" || strings.HasPrefix(path, databasesPath) {
		return MethodMetadata
	}
	return MethodOther
}

func (s *Server) wrongMethod(r *http.Request, methods []string) error {
	if base, err := s.endpoint.base(r); r.URL.Path == "/" && err == nil {
		return fmt.Errorf("%w: this is a KV Connect server, to be opened by a program: await Deno.openKv(%q)",
			protocol.ErrMethodNotAllowed, base)
	}
	return fmt.Errorf("%w: use %s", protocol.ErrMethodNotAllowed, methods[0])
}
