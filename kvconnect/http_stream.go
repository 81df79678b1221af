package kvconnect

import (
	"net/http"
	"time"

	"github.com/kvconnect/kvconnect/transport"
)

// hurryTimeout is what a client that does not read a watch is given at a drain.
const hurryTimeout = time.Second

// httpStream writes the pieces of a feed to a reply of net/http. Its methods belong to one
// goroutine.
type httpStream struct {
	server     *Server
	w          http.ResponseWriter
	bound      *writeBound
	silence    time.Duration // after which there is a sign of life
	clientGone bool
}

// begin sends the head of a reply and the first piece of its feed.
func (s *httpStream) begin(reply transport.Reply) {
	_, s.silence = reply.Feed.KeepAlive()
	writeHead(s.w, reply)
	s.send(reply.Body)
}

// send sends a piece, for which the client may take the time of the deadline. That is until
// the next one is due, which sets it anew: over HTTP/2 it would end the stream even while
// nothing is written.
func (s *httpStream) send(piece []byte) {
	begun := s.bound.begin(s.silence + s.server.options.StallTimeout)
	_, err := s.w.Write(piece)
	if err == nil {
		err = s.bound.control.Flush()
	}
	if err != nil {
		s.clientGone = true
		s.server.noteStalled(begun)
	}
}
