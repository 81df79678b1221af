package kvconnect

import (
	"context"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/transport"
)

var atomicWriteOperation = operation{
	method:       MethodAtomicWrite,
	name:         "atomic write",
	path:         dataPath + "/atomic_write",
	maxBodyBytes: protocol.MaxAtomicWriteBodyBytes,
	writes:       true,
	newCall:      func(c dataPathCall) transport.Call { return &atomicWriteCall{dataPathCall: c} },
}

// atomicWriteCall is a call of "KV Connect, Data Path Protocol, Atomic Write Request".
type atomicWriteCall struct {
	dataPathCall
	body []byte
}

// Receive implements transport.Call. It leaves the decoding, which takes its time if the
// write is large, to Serve: that waits for the disk and is never quick.
func (c *atomicWriteCall) Receive(body []byte) (quick bool) {
	c.server.received(&c.record, len(body))
	c.body = body
	return false
}

// Serve implements transport.Call.
func (c *atomicWriteCall) Serve(ctx context.Context, _ transport.Waker) transport.Reply {
	return c.serve(ctx, c.answer)
}

func (c *atomicWriteCall) answer(ctx context.Context) (transport.Reply, error) {
	write, err := protocol.DecodeAtomicWrite(c.body)
	if err != nil {
		return transport.Reply{}, err // which names the operation
	}
	database, err := c.lend(ctx)
	if err != nil {
		return c.failed(err)
	}
	defer database.Release()
	output, err := database.AtomicWrite(ctx, write)
	if err != nil {
		return c.failed(err)
	}
	c.outcome = output.Status
	body, err := output.Encode()
	if err != nil {
		return c.failed(err)
	}
	return transport.Reply{Head: protobufHead, Body: body}, nil
}
