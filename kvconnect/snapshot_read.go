package kvconnect

import (
	"context"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/transport"
)

// maxQuickEntries is how many entries a read may ask for that other requests of the
// connection wait for. Reading few costs less than handing the read to another goroutine
// does; reading many would hold the others up.
const maxQuickEntries = 16

var snapshotReadOperation = operation{
	method:       MethodSnapshotRead,
	name:         "snapshot read",
	path:         dataPath + "/snapshot_read",
	maxBodyBytes: protocol.MaxSnapshotReadBodyBytes,
	newCall:      func(c dataPathCall) transport.Call { return &snapshotReadCall{dataPathCall: c} },
}

// snapshotReadCall is a call of "KV Connect, Data Path Protocol, Snapshot Read Request".
type snapshotReadCall struct {
	dataPathCall
	read protocol.SnapshotRead
	err  error // of decoding it
}

// Receive implements transport.Call. To open a database takes its time.
func (c *snapshotReadCall) Receive(body []byte) (quick bool) {
	c.server.received(&c.record, len(body))
	c.read, c.err = protocol.DecodeSnapshotRead(body)
	entries := 0
	for _, r := range c.read.Ranges {
		entries += r.Limit
	}
	return entries <= maxQuickEntries && c.server.options.Databases.IsOpen(c.grant.DatabaseID)
}

// Serve implements transport.Call.
func (c *snapshotReadCall) Serve(ctx context.Context, _ transport.Waker) transport.Reply {
	return c.serve(ctx, c.answer)
}

func (c *snapshotReadCall) answer(ctx context.Context) (transport.Reply, error) {
	if c.err != nil {
		return transport.Reply{}, c.err // which names the operation
	}
	database, err := c.lend(ctx)
	if err != nil {
		return c.failed(err)
	}
	defer database.Release()
	output, err := database.SnapshotRead(ctx, c.read)
	if err != nil {
		return c.failed(err)
	}
	body, err := output.Encode()
	if err != nil {
		return c.failed(err)
	}
	return transport.Reply{Head: protobufHead, Body: body}, nil
}
