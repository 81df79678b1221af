package conformance

import (
	"net/http"
	"slices"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// keyCases are about keys that no program can write, but every client can.
var keyCases = []testCase{
	{"keys/of any bytes", func(p *probe) {
		var keys [][]byte
		for _, tail := range []string{
			"\x00", "\x02", "\x02\x00\xff", "\x02no end", "\x02\xc3\x28\x00", "\x0b", "\x13\xff", "\x15\x00", "\x21\xff", "\x28", "\xee", "\xff\xff",
		} {
			keys = append(keys, append(p.key(), tail...))
		}
		for i, key := range slices.Backward(keys) {
			value := protocol.U64Value(uint64(i))
			v := p.commit(set(key, value))
			p.wantValue(key, value, v)
			p.equal("status of a check", p.write([]protocol.Check{{Key: key, Versionstamp: v}}).Status, protocol.AtomicWriteCommitted)
			p.commit(u64(protocol.MutationSum, key, 1))
			states, stop := p.watch(key)
			p.equal("watched value", (<-states).Entries[0].Value, protocol.U64Value(uint64(i)+1))
			stop()
		}
		entries := p.everything()
		p.equal("keys", keysOf(entries), keys)
		for _, key := range keys {
			p.commit(del(key))
			p.wantAbsent(key)
		}
	}},
}

// badInputCases are about messages that are not quite what the schema says.
func badInputCases() []testCase {
	mutation := func(p *probe, part string) []byte {
		raw, err := proto.Marshal(wireSet(p.key(part), 1))
		p.ok(err)
		return raw
	}
	field := func(out []byte, number protowire.Number, content []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(out, number, protowire.BytesType), content)
	}
	// send makes an atomic write of the bytes.
	send := func(p *probe, body []byte) reply {
		call := p.wire("atomic_write", &datapath.AtomicWrite{}, nil)
		call.body = body
		return p.send(call).reply
	}
	// refuses is for a body after whose refusal nothing may be there.
	refuses := func(body func(p *probe) []byte) func(p *probe) {
		return func(p *probe) {
			reply := send(p, body(p))
			p.equal("status", reply.status, http.StatusBadRequest)
			p.equal("entries", p.everything(), []protocol.Entry(nil))
		}
	}
	const mutations = 2 // the number of the field in an atomic write
	return []testCase{
		{"bad input/a body that is cut short", refuses(func(p *probe) []byte {
			body := field(field(nil, mutations, mutation(p, "a")), mutations, mutation(p, "b"))
			return body[:len(body)-1]
		})},
		{"bad input/a length beyond the body", refuses(func(p *probe) []byte {
			body := field(nil, mutations, mutation(p, "a"))
			return protowire.AppendVarint(protowire.AppendTag(body, mutations, protowire.BytesType), 1<<62)
		})},
		{"bad input/a group that does not end", refuses(func(p *probe) []byte {
			return protowire.AppendTag(field(nil, mutations, mutation(p, "a")), 1000, protowire.StartGroupType)
		})},
		{"bad input/a group that does not begin", refuses(func(p *probe) []byte {
			return protowire.AppendTag(field(nil, mutations, mutation(p, "a")), 1000, protowire.EndGroupType)
		})},
		{"bad input/a field number of 0", refuses(func(p *probe) []byte {
			return append(field(nil, mutations, mutation(p, "a")), 0, 0)
		})},
		// A check that is taken for something else would be a check that holds.
		{"bad input/a check of another wire type", refuses(func(p *probe) []byte {
			body := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 7)
			return field(body, mutations, mutation(p, "a"))
		})},
		{"bad input/a versionstamp of another wire type", refuses(func(p *probe) []byte {
			check := protowire.AppendVarint(protowire.AppendTag(field(nil, 1, p.key("a")), 2, protowire.VarintType), 7)
			return field(field(nil, 1, check), mutations, mutation(p, "a"))
		})},
		{"bad input/an expiry of another wire type", refuses(func(p *probe) []byte {
			return field(nil, mutations, field(mutation(p, "a"), 4, []byte{1}))
		})},
		{"bad input/unknown fields are ignored", func(p *probe) {
			unknown := protowire.AppendVarint(protowire.AppendTag(nil, 1000, protowire.VarintType), 1)
			unknown = protowire.AppendFixed32(protowire.AppendTag(unknown, 1001, protowire.Fixed32Type), 1)
			unknown = protowire.AppendFixed64(protowire.AppendTag(unknown, 1002, protowire.Fixed64Type), 1)
			unknown = field(unknown, 1003, []byte("\xff no text"))
			unknown = protowire.AppendTag(unknown, 1004, protowire.StartGroupType)
			unknown = protowire.AppendTag(field(unknown, 1, p.key("group")), 1004, protowire.EndGroupType)
			body := slices.Concat(unknown, field(nil, mutations, slices.Concat(unknown, mutation(p, "a"), unknown)), unknown)
			p.equal("status", send(p, body).status, http.StatusOK)
			p.equal("keys", keysOf(p.everything()), [][]byte{p.key("a")})
		}},
		{"bad input/of a repeated field the last one counts", func(p *probe) {
			body := field(nil, mutations, slices.Concat(field(nil, 1, p.key("first")), mutation(p, "a"), field(nil, 1, p.key("last"))))
			p.equal("status", send(p, body).status, http.StatusOK)
			p.equal("keys", keysOf(p.everything()), [][]byte{p.key("last")})
		}},
	}
}
