package kvconnect

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/transport"
)

// record is what is known of a request under way, for the log and the observer. One
// goroutine at a time uses it.
type record struct {
	method     Method
	id         string // "" until one is made, if the client gave none
	remoteAddr string
	grant      *access.Grant // nil until the token was accepted
	begun      time.Duration // when the body was there, since the start of the server; 0 if nobody wants to know
	bytesIn    int
	entered    bool // it has a place among the requests that are served
	writes     bool
	reason     string // why it failed
	outcome    protocol.AtomicWriteStatus
}

// newRecord begins the record of a request of which only the header is there.
func newRecord(method Method, header transport.Header, remoteAddr string) record {
	return record{method: method, id: givenRequestID(header), remoteAddr: remoteAddr}
}

// received notes that the body is there.
func (s *Server) received(r *record, bytes int) {
	r.bytesIn = bytes
	if s.timesRequests {
		r.begun = time.Since(s.started)
	}
}

// enter begins to serve a request. After an error it is refused; otherwise end must be
// called.
func (s *Server) enter(r *record) error {
	if err := s.load.enter(r.writes); err != nil {
		return err
	}
	r.entered = true
	if s.options.Observer != nil {
		s.options.Observer.RequestBegun(r.method)
	}
	return nil
}

// end is told the reply of a request, and puts the id of the request into it.
func (s *Server) end(r *record, reply *transport.Reply) {
	reply.Field = transport.Field{Name: fieldRequestID, Value: s.idOf(r)}
	var took time.Duration
	if r.entered && r.begun > 0 {
		took = time.Since(s.started) - r.begun
	}
	if r.entered {
		s.load.leave(r.writes)
	}
	status := http.StatusInternalServerError
	if reply.Head != nil {
		status = reply.Head.Status
	} else {
		r.reason = reasonPanic
	}
	if s.options.Observer != nil {
		s.options.Observer.RequestEnded(Request{
			Method: r.method, DatabaseID: r.databaseID(), Status: status, Reason: r.reason, AtomicWrite: r.outcome,
			Served: r.entered, BytesIn: r.bytesIn, BytesOut: len(reply.Body), Took: took,
		})
	}
	s.logRequest(r, status, len(reply.Body), took)
}

// idOf gives the id of a request.
func (s *Server) idOf(r *record) string {
	if r.id == "" {
		r.id = s.requestIDs.next()
	}
	return r.id
}

func (r *record) databaseID() uuid.UUID {
	if r.grant == nil {
		return uuid.UUID{}
	}
	return r.grant.DatabaseID
}

// logRequest writes the line of a request, if there is to be one.
func (s *Server) logRequest(r *record, status, bytesOut int, took time.Duration) {
	slow := s.options.SlowRequest > 0 && took >= s.options.SlowRequest
	ctx := context.Background() // a line is written whatever has become of the client
	if !slow && !s.options.Logger.Enabled(ctx, slog.LevelDebug) {
		return
	}
	attributes := []slog.Attr{
		slog.String("request_id", s.loggedID(r)),
		slog.String("method", string(r.method)),
		slog.Int("status", status),
		slog.Float64("took_ms", float64(took.Microseconds())/1000),
		slog.Int("bytes_in", r.bytesIn),
		slog.Int("bytes_out", bytesOut),
		slog.String("remote_addr", r.remoteAddr),
	}
	if r.reason != "" {
		attributes = append(attributes, slog.String("reason", r.reason))
	}
	if r.grant != nil {
		attributes = append(attributes, slog.String("database_id", r.grant.DatabaseID.String()), slog.String("token_id", r.grant.TokenID))
	}
	if slow {
		s.options.Logger.LogAttrs(ctx, slog.LevelWarn, "slow request", attributes...)
		return
	}
	s.options.Logger.LogAttrs(ctx, slog.LevelDebug, "request", attributes...)
}
