package kvconnect

import (
	"context"
	"net/http"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/transport"
)

var watchOperation = operation{
	method:       MethodWatch,
	name:         "watch",
	path:         dataPath + "/watch",
	maxBodyBytes: protocol.MaxWatchBodyBytes,
	newCall:      func(c dataPathCall) transport.Call { return &watchCall{dataPathCall: c} },
}

var watchHead = &transport.Head{Status: http.StatusOK, Fields: []transport.Field{
	{Name: "Content-Type", Value: "application/octet-stream"},
	{Name: "Cache-Control", Value: "no-store"},
	{Name: "X-Accel-Buffering", Value: "no"}, // nginx would hold frames back
}}

// watchCall is a call of "KV Connect, Data Path Protocol, Watch Request": the reply is a
// stream of frames, the first at once. It ends when the client leaves, when its token is
// revoked or expires, and when the server drains, never by itself, because clients wait
// longer each time before they come back.
type watchCall struct {
	dataPathCall
	watch protocol.Watch
	err   error // of decoding it
}

// Receive implements transport.Call. To open a watch is to read as few entries as it has
// keys.
func (c *watchCall) Receive(body []byte) (quick bool) {
	c.server.received(&c.record, len(body))
	c.watch, c.err = protocol.DecodeWatch(body)
	return c.server.options.Databases.IsOpen(c.grant.DatabaseID)
}

// Serve implements transport.Call. The first state is read before the reply begins, while
// an error can still have a status.
func (c *watchCall) Serve(ctx context.Context, waker transport.Waker) transport.Reply {
	return c.serve(ctx, func(ctx context.Context) (transport.Reply, error) { return c.answer(ctx, waker) })
}

func (c *watchCall) answer(ctx context.Context, waker transport.Waker) (transport.Reply, error) {
	if c.err != nil {
		return transport.Reply{}, c.err // which names the operation
	}
	feed := &watchFeed{server: c.server, grant: c.grant, trust: c.trust, waker: waker}
	frame, err := feed.open(ctx, c.watch)
	if err != nil {
		return c.failed(err)
	}
	return transport.Reply{Head: watchHead, Body: frame, Feed: feed}, nil
}
