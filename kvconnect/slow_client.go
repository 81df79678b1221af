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

// patientBytes is how much of a reply a client may take StallTimeout for.
const patientBytes = 64 << 10

// writePatiently sends a reply, whole unless the client does not take it.
func (s *Server) writePatiently(w http.ResponseWriter, reply transport.Reply) {
	if len(reply.Body) <= patientBytes {
		s.boundWrite(w)
		writeReply(w, reply)
		return
	}
	setContentLength(w, reply)
	writeHead(w, reply)
	for piece := range slices.Chunk(reply.Body, patientBytes) {
		begun := s.boundWrite(w)
		if _, err := w.Write(piece); err != nil {
			s.noteStalled(begun)
			return // the client is gone or does not read; nobody is left to tell
		}
	}
}

// boundWrite bounds how long what is written next may wait for the client.
func (s *Server) boundWrite(w http.ResponseWriter) (begun time.Time) {
	begun = time.Now()
	// Both versions of HTTP can do it, but for the loop, which has bounds of its own.
	_ = http.NewResponseController(w).SetWriteDeadline(begun.Add(s.options.StallTimeout))
	return begun
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
