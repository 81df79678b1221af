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
	call := dataPathCall{server: s, operation: operation, trust: s.trust.Load()} // before the token is looked at
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
	grant     *access.Grant
	trust     uint32 // that of the server when the token was found valid
}

// lend gives the database of the call, for the caller to release.
func (c dataPathCall) lend(ctx context.Context) (Database, error) {
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
func (c dataPathCall) MaxBodyBytes() int64 { return c.operation.maxBodyBytes }

// Refuse implements transport.Call.
func (c dataPathCall) Refuse(err error) transport.Reply {
	return c.refusal(bodyError(err, c.operation.maxBodyBytes))
}

// refusal is the reply to a call whose body is not looked at.
func (c dataPathCall) refusal(err error) transport.Reply {
	return c.server.errorReply(c.operation.path, fmt.Errorf("%s: %w", c.operation.name, err))
}

// failure is the reply to a call that was tried.
func (c dataPathCall) failure(ctx context.Context, err error) transport.Reply {
	return c.server.failureReply(ctx, c.operation.path, fmt.Errorf("%s: %w", c.operation.name, err))
}

// invalid is the reply to a call whose body cannot be decoded. The decoder has named the
// operation.
func (c dataPathCall) invalid(err error) transport.Reply {
	return c.server.errorReply(c.operation.path, err)
}
