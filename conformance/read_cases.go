package conformance

import (
	"fmt"
	"slices"

	"github.com/kvconnect/kvconnect/protocol"
)

var readCases = []testCase{
	{"read/absent key", func(p *probe) { p.wantAbsent(p.key("a")) }},
	{"read/no ranges", func(p *probe) { p.ranges() }},
	{"read/start is included and end is not", func(p *probe) {
		keys := fill(p, 4)
		got := p.ranges(protocol.ReadRange{Start: keys[1], End: keys[3], Limit: 10})[0]
		p.equal("keys", keysOf(got), keys[1:3])
	}},
	{"read/limit", func(p *probe) {
		keys := fill(p, 4)
		got := p.ranges(protocol.ReadRange{Start: keys[0], End: p.key(true), Limit: 3})[0]
		p.equal("keys", keysOf(got), keys[:3])
	}},
	{"read/reverse", func(p *probe) {
		keys := fill(p, 4)
		got := p.ranges(protocol.ReadRange{Start: keys[0], End: keys[3], Limit: 2, Reverse: true})[0]
		p.equal("keys", keysOf(got), [][]byte{keys[2], keys[1]})
	}},
	{"read/start not below end gives nothing", func(p *probe) {
		keys := fill(p, 3)
		got := p.ranges(
			protocol.ReadRange{Start: keys[1], End: keys[1], Limit: 1},
			protocol.ReadRange{Start: keys[2], End: keys[0], Limit: 1},
			protocol.ReadRange{Start: keys[2], End: nil, Limit: 1, Reverse: true},
		)
		p.equal("ranges", got, [][]protocol.Entry{nil, nil, nil})
	}},
	{"read/ranges keep their order", func(p *probe) {
		keys := fill(p, 3)
		got := p.ranges(
			protocol.ReadRange{Start: keys[2], End: p.key(true), Limit: 1},
			protocol.ReadRange{Start: p.key(true), End: p.key(true, 0.0), Limit: 1},
			protocol.ReadRange{Start: keys[0], End: keys[2], Limit: 5},
		)
		p.equal("first", keysOf(got[0]), keys[2:])
		p.equal("second", keysOf(got[1]), [][]byte(nil))
		p.equal("third", keysOf(got[2]), keys[:2])
	}},
	{"read/1000 entries", func(p *probe) {
		keys := fill(p, 1001)
		got := p.ranges(protocol.ReadRange{Start: keys[0], End: p.key(true), Limit: protocol.MaxReadEntries})[0]
		p.equal("keys", keysOf(got), keys[:protocol.MaxReadEntries])
	}},
	{"read/keys sort as bytes", func(p *probe) {
		keys := [][]byte{
			p.key("a"), p.key("a", false), p.key("a\x00"), p.key("aa"), p.key("é"), p.key(-1.0), p.key(0.0), p.key(false),
		}
		for _, key := range slices.Backward(keys) {
			p.commit(set(key, text("")))
		}
		got := p.ranges(protocol.ReadRange{Start: p.key("a"), End: p.key(true), Limit: 100})[0]
		p.equal("keys", keysOf(got), keys)
	}},
	{"read/values come back as they were", func(p *probe) {
		values := []protocol.Value{
			{Data: []byte{0xff, 0x10, 0x5f}, Encoding: protocol.EncodingV8},
			{Data: []byte{}, Encoding: protocol.EncodingBytes},
			{Data: []byte{0, 1, 0xff, 0}, Encoding: protocol.EncodingBytes},
			{Data: make([]byte, protocol.MaxValueBytes), Encoding: protocol.EncodingBytes},
			protocol.U64Value(1<<64 - 1),
		}
		for i, value := range values {
			key := p.key(float64(i))
			versionstamp := p.commit(set(key, value))
			p.wantValue(key, value, versionstamp)
		}
	}},
	{"read/longest key", func(p *probe) {
		key := p.key("")
		key = append(key, slices.Repeat([]byte{0x27}, protocol.MaxWriteKeyBytes-len(key))...)
		p.wantValue(key, text("v"), p.commit(set(key, text("v"))))
	}},
}

// fill sets n keys that sort in the order in which they are returned.
func fill(p *probe, n int) [][]byte {
	keys := make([][]byte, n)
	for i := range keys {
		keys[i] = p.key(fmt.Sprintf("%06d", i))
	}
	for chunk := range slices.Chunk(keys, 500) {
		mutations := make([]protocol.Mutation, len(chunk))
		for i, key := range chunk {
			mutations[i] = set(key, text("v"))
		}
		p.commit(mutations...)
	}
	return keys
}

func keysOf(entries []protocol.Entry) [][]byte {
	var keys [][]byte
	for _, entry := range entries {
		keys = append(keys, entry.Key)
	}
	return keys
}
