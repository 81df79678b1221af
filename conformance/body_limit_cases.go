package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
	"google.golang.org/protobuf/encoding/protowire"
)

// bodyLimits are the caps on the body of each call, with a Content-Length and
// without one.
func bodyLimits(url, token string) []limit {
	calls := []struct {
		name     string
		maxBytes int
		call     func(p *probe, n int) wireCall
	}{
		{"metadata exchange", 16_384, func(p *probe, n int) wireCall {
			body := []byte(`{"supportedVersions":[1,2,3]}`)
			header := http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}}
			return wireCall{
				url: url, header: header, body: append(body, bytes.Repeat([]byte(" "), n-len(body))...),
				done: func(reply wireReply) {
					var m metadata
					p.ok(json.Unmarshal(reply.body, &m))
					p.equal("version", m.Version, 3)
				},
			}
		}},
		{"snapshot read", 65_536, func(p *probe, n int) wireCall {
			key := p.key("a")
			p.commit(set(key, text("")))
			read := &datapath.SnapshotRead{Ranges: []*datapath.ReadRange{{Start: key, End: append(key[:len(key):len(key)], 0), Limit: 1}}}
			return padded(p.wire("snapshot_read", read, func(reply wireReply) {
				p.equal("the reply has the key", bytes.Contains(reply.body, key), true)
			}), n)
		}},
		{"atomic write", 1_048_576, func(p *probe, n int) wireCall {
			write := &datapath.AtomicWrite{Mutations: []*datapath.Mutation{p.beside()}}
			return padded(p.wire("atomic_write", write, func(reply wireReply) {
				p.wantValue(p.key("beside"), text(""), p.committed(reply))
			}), n)
		}},
		{"watch", 32_768, func(p *probe, n int) wireCall {
			watch := &datapath.Watch{Keys: []*datapath.WatchKey{{Key: p.key("a")}}}
			return padded(p.wire("watch", watch, func(reply wireReply) {
				p.equal("first state", reply.watched(), []*protocol.Entry{nil})
			}), n)
		}},
	}
	limits := make([]limit, 0, 2*len(calls))
	for _, c := range calls {
		sized := limit{
			name: c.name + " body", served: []int{c.maxBytes - 1, c.maxBytes}, refused: []int{c.maxBytes + 1},
			status: http.StatusRequestEntityTooLarge,
			text:   fmt.Sprintf("%s: the request body is too large: at most %d bytes", c.name, c.maxBytes),
			call:   c.call,
		}
		unsized := sized
		unsized.name += " without Content-Length"
		unsized.call = func(p *probe, n int) wireCall {
			call := c.call(p, n)
			call.unsized = true
			return call
		}
		limits = append(limits, sized, unsized)
	}
	return limits
}

// padded makes the body of a call n bytes long, with a field that no schema names
// and every server ignores.
func padded(c wireCall, n int) wireCall {
	const unknownField = 1000
	c.body = protowire.AppendTag(c.body, unknownField, protowire.BytesType)
	const lengthBytes = 3 // of the field, below
	padding := n - len(c.body) - lengthBytes
	c.body = protowire.AppendBytes(c.body, make([]byte, padding))
	return c
}
