package kvconnect

import (
	"net/http"
	"slices"
	"time"

	"github.com/kvconnect/kvconnect/transport"
)

// Over net/http a write waits for the client. Its deadline is what ends that: over HTTP/2 it
// ends the stream alone, over HTTP/1.1 the connection. Package transport sees to the streams
// that it carries itself.

const (
	// patientBytes is how much of a reply a client may take StallTimeout for.
	patientBytes = 64 << 10
	// drainPatience is that time at a drain, which waits for replies.
	drainPatience = 5 * time.Second
)

// writePatiently sends a reply, whole unless the client does not take it.
func (s *Server) writePatiently(w http.ResponseWriter, r *http.Request, reply transport.Reply) {
	bound := &writeBound{control: http.NewResponseController(w), hurriedTimeout: drainPatience}
	s.writes.add(bound)
	defer s.writes.remove(bound)
	setContentLength(w, reply)
	writeHead(w, reply)
	for piece := range slices.Chunk(reply.Body, patientBytes) {
		begun := bound.begin(s.options.StallTimeout)
		if _, err := w.Write(piece); err != nil {
			s.noteStalled(begun)
			return // the client is gone or does not read; nobody is left to tell
		}
	}
	if r.ProtoMajor == 1 {
		// Or net/http does it, when a drain cannot hurry it any more. An error is as above.
		begun := bound.begin(s.options.StallTimeout)
		if bound.control.Flush() != nil {
			s.noteStalled(begun)
		}
	}
}

// noteStalled counts a write that failed, if it was for that the client did not read.
func (s *Server) noteStalled(begun time.Time) {
	if time.Since(begun) >= s.options.StallTimeout {
		s.stalled.Add(1)
	}
}

// StalledReplies is how many replies, those to watches included, were cut off over net/http
// since the start because their clients did not take them.
func (s *Server) StalledReplies() uint64 { return s.stalled.Load() }
