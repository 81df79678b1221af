package transport

import (
	"net"
	"net/http"
	"sync/atomic"
)

// Stats are the numbers of a Server.
type Stats struct {
	// Arriving, HTTP1 and HTTP2 are the connections at the moment, by what they speak;
	// those that are arriving have not said it yet.
	Arriving, HTTP1, HTTP2 int
	// Stalled is how many streams of HTTP/2 were ended since the start because their
	// clients did not take what was there for them.
	Stalled uint64
}

// Stats gives the numbers as they are. It costs next to nothing.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{
		Arriving: len(s.arriving), HTTP1: int(s.http1.Load()), HTTP2: len(s.conns),
		Stalled: s.stalled.Load(),
	}
}

// countConnections has an http.Server count its connections.
func countConnections(server *http.Server, open *atomic.Int64) {
	next := server.ConnState
	server.ConnState = func(conn net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed, http.StateHijacked:
			open.Add(-1)
		case http.StateActive, http.StateIdle:
		}
		if next != nil {
			next(conn, state)
		}
	}
}
