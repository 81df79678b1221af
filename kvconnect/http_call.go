package kvconnect

import (
	"net/http"
	"time"

	"github.com/kvconnect/kvconnect/transport"
)

// serveCall carries a call over net/http.
func (s *Server) serveCall(w http.ResponseWriter, r *http.Request, call transport.Call) {
	body, err := readBody(w, r, call.MaxBodyBytes())
	if err != nil {
		s.writePatiently(w, r, call.Refuse(err))
		return
	}
	call.Receive(body) // quick or not: the request has a goroutine of its own
	news := make(newsToken, 1)
	reply := call.Serve(r.Context(), news)
	if reply.Feed == nil {
		s.writePatiently(w, r, reply)
		return
	}
	defer reply.Feed.Close()
	bound := &writeBound{control: http.NewResponseController(w), hurriedTimeout: hurryTimeout}
	s.writes.add(bound)
	defer s.writes.remove(bound)
	stream := &httpStream{server: s, w: w, bound: bound}
	stream.begin(reply)
	carryFeed(stream, r, reply.Feed, news)
}

// carryFeed sends what a feed gives until it ends or the client is gone.
func carryFeed(stream *httpStream, r *http.Request, feed transport.Feed, news newsToken) {
	keepAlive, silence := feed.KeepAlive()
	timer := time.NewTimer(silence)
	defer timer.Stop()
	for !stream.clientGone {
		select {
		case <-news:
			piece, err := feed.Next(r.Context())
			if err != nil {
				return
			}
			if len(piece) == 0 {
				continue
			}
			stream.send(piece)
		case <-timer.C:
			stream.send(keepAlive)
		case <-r.Context().Done():
			return
		}
		timer.Reset(silence)
	}
}

// newsToken is the transport.Waker of a request: it has room for one token, which is there
// while its feed may have news.
type newsToken chan struct{}

// Wake implements transport.Waker.
func (t newsToken) Wake() {
	select {
	case t <- struct{}{}:
	default:
	}
}
