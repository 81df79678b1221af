package kvconnect

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/transport"
)

// protobufHead is the head of the reply to a call of the data path that went well. Heads
// are shared by all replies of a kind.
var protobufHead = &transport.Head{Status: http.StatusOK, Fields: []transport.Field{
	{Name: "Content-Type", Value: "application/x-protobuf"},
}}

// textHeads are the heads of replies for people to read, by status.
var textHeads = newTextHeads()

func newTextHeads() map[int]*transport.Head {
	heads := make(map[int]*transport.Head)
	for _, status := range []int{http.StatusOK, http.StatusInternalServerError} {
		heads[status] = newTextHead(status)
	}
	for _, row := range statuses {
		heads[row.status] = newTextHead(row.status)
	}
	return heads
}

func newTextHead(status int) *transport.Head {
	head := &transport.Head{Status: status, Fields: []transport.Field{
		{Name: "Content-Type", Value: "text/plain; charset=utf-8"},
		{Name: "X-Content-Type-Options", Value: "nosniff"},
	}}
	if status == http.StatusUnauthorized {
		head.Fields = append(head.Fields, transport.Field{Name: "WWW-Authenticate", Value: "Bearer"})
	}
	return head
}

// textReply is a reply for people to read, with a status that has a head.
func textReply(status int, text string) transport.Reply {
	return transport.Reply{Head: textHeads[status], Body: []byte(text)}
}

// failureReply is the reply to a request that was tried and failed.
func (s *Server) failureReply(ctx context.Context, r *record, err error) transport.Reply {
	if ctxErr := ctx.Err(); ctxErr != nil && errors.Is(err, ctxErr) {
		// The client is gone, or has only closed its side of the connection:
		// without a reply it would get an empty one with the status 200.
		r.reason = reasonGivenUp
		return textReply(http.StatusServiceUnavailable, "the request was given up before it was answered")
	}
	return s.errorReply(r, err)
}

// errorReply is the reply that an error becomes. Of faults it tells the log.
func (s *Server) errorReply(r *record, err error) transport.Reply {
	status, reason := statusOf(err)
	r.reason = reason
	if isFault(err, status) {
		s.options.Logger.Error("request failed", "request_id", s.loggedID(r), "method", string(r.method), "status", status, "error", err)
	}
	reply := textReply(status, replyText(err, status))
	var tooSoon *tooSoonError
	if errors.As(err, &tooSoon) {
		reply.Head = tooSoon.addTo(reply.Head)
	}
	return reply
}

// isFault tells whether the operator must know. What is being shut down is no fault. Of a
// want of room whoever lends the databases tells, of too many requests whoever counts them,
// of an outage of the identity provider whoever reads its keys, and of the disk the backend:
// once, and not for each request.
func isFault(err error, status int) bool {
	for _, told := range []error{
		errDraining, errOverloaded, protocol.ErrClosed, protocol.ErrNoRoom, protocol.ErrNoIdentityKeys,
		protocol.ErrDiskFull, protocol.ErrDiskReadOnly, protocol.ErrDiskFailing, protocol.ErrFileMoved,
	} {
		if errors.Is(err, told) {
			return false
		}
	}
	return status >= http.StatusInternalServerError || errors.Is(err, protocol.ErrDamaged)
}

// writeReply sends a reply whole, with its length: a client that knows where the
// reply ends does not take a connection that closes after it for a failed call,
// and does not send an atomic write again.
func writeReply(w http.ResponseWriter, reply transport.Reply) {
	setContentLength(w, reply)
	writeHead(w, reply)
	// An error means that the client is gone; nobody is left to tell.
	_, _ = w.Write(reply.Body)
}

func setContentLength(w http.ResponseWriter, reply transport.Reply) {
	w.Header().Set("Content-Length", strconv.Itoa(len(reply.Body)))
}

func writeHead(w http.ResponseWriter, reply transport.Reply) {
	for _, field := range reply.Head.Fields {
		w.Header().Set(field.Name, field.Value)
	}
	if reply.Field.Name != "" {
		w.Header().Set(reply.Field.Name, reply.Field.Value)
	}
	w.WriteHeader(reply.Head.Status)
}
