package kvconnect

import (
	"context"
	"fmt"
	"net/http"

	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/transport"
)

// operation is a kind of call of the data path.
type operation struct {
	method       Method
	name         string // in errors
	path         string
	maxBodyBytes int64
	writes       bool
	newCall      func(dataPathCall) transport.Call
}

func operationOf(path string) *operation {
	for _, o := range [...]*operation{&snapshotReadOperation, &atomicWriteOperation, &watchOperation} {
		if o.path == path {
			return o
		}
	}
	return nil
}

// Admit implements transport.Handler.
func (s *Server) Admit(request transport.Request) (transport.Call, *transport.Reply) {
	operation := operationOf(request.Path)
	if operation == nil || request.Method != http.MethodPost {
		return nil, nil
	}
	call := dataPathCall{
		server: s, operation: operation,
		record: newRecord(operation.method, request.Header, request.RemoteAddr),
		trust:  s.trust.Load(), // before the token is looked at
	}
	call.writes = operation.writes
	var err error
	if call.grant, err = s.authorize(request.Header, operation); err != nil {
		refusal := call.refusal(err)
		return nil, &refusal
	}
	return operation.newCall(call), nil
}

// dataPathCall is what all calls of the data path have in common.
type dataPathCall struct {
	server    *Server
	operation *operation
	record
	trust uint32 // that of the server when the token was found valid
}

// lend gives the database of the call, for the caller to release.
func (c *dataPathCall) lend(ctx context.Context) (Database, error) {
	return c.server.lend(ctx, c.grant, c.trust)
}

// lend gives the database of a grant, for the caller to release. The token is looked at
// again: since the call was admitted its body had to arrive, and the database to be opened,
// which may take longer than the token was valid.
func (s *Server) lend(ctx context.Context, grant *access.Grant, trust uint32) (Database, error) {
	database, err := s.options.Databases.Lend(ctx, grant.DatabaseID)
	if err != nil {
		return nil, err
	}
	err = grant.Err(s.options.Now())
	if err == nil && trust != s.trust.Load() {
		err = protocol.ErrInvalidDataPathToken
	}
	if err != nil {
		database.Release()
		return nil, err
	}
	return database, nil
}

// MaxBodyBytes implements transport.Call.
func (c *dataPathCall) MaxBodyBytes() int64 { return c.operation.maxBodyBytes }

// Refuse implements transport.Call.
func (c *dataPathCall) Refuse(err error) transport.Reply {
	return c.refusal(bodyError(err, c.operation.maxBodyBytes))
}

// refusal is the reply to a call that is not served.
func (c *dataPathCall) refusal(err error) transport.Reply {
	reply := c.server.errorReply(&c.record, fmt.Errorf("%s: %w", c.operation.name, err))
	c.server.end(&c.record, &reply)
	return reply
}

// serve gives the reply to a call whose body is there: what answer gives, which names the
// operation in its errors itself.
func (c *dataPathCall) serve(ctx context.Context, answer func(context.Context) (transport.Reply, error)) (reply transport.Reply) {
	if err := c.server.enter(&c.record); err != nil {
		return c.refusal(err)
	}
	defer func() { c.server.end(&c.record, &reply) }()
	reply, err := answer(ctx)
	if err != nil {
		reply = c.server.failureReply(ctx, &c.record, err)
	}
	return reply
}

// failed names the operation in an error.
func (c *dataPathCall) failed(err error) (transport.Reply, error) {
	return transport.Reply{}, fmt.Errorf("%s: %w", c.operation.name, err)
}
