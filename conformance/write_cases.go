package conformance

import (
	"bytes"
	"slices"

	"github.com/kvconnect/kvconnect/protocol"
)

var writeCases = []testCase{
	{"write/set, overwrite, delete", func(p *probe) {
		key := p.key("a")
		p.wantValue(key, text("1"), p.commit(set(key, text("1"))))
		p.wantValue(key, text("2"), p.commit(set(key, text("2"))))
		p.commit(del(key))
		p.wantAbsent(key)
		p.commit(del(key))
	}},
	{"write/versionstamps increase", func(p *probe) {
		var before protocol.Versionstamp
		for range 20 {
			v := p.commit(set(p.key("a"), text("")))
			if bytes.Compare(v[:], before[:]) <= 0 {
				failf("the versionstamp %s came after %s", v, before)
			}
			p.equal("last two bytes", v[8:], []byte{0, 0})
			before = v
		}
	}},
	{"write/an empty write gets a versionstamp of its own", func(p *probe) {
		first, second := p.commit(), p.commit()
		if bytes.Compare(first[:], second[:]) >= 0 {
			failf("empty writes got the versionstamps %s and %s", first, second)
		}
	}},
	{"write/one versionstamp for all of a write", func(p *probe) {
		a, b := p.key("a"), p.key("b")
		v := p.commit(set(a, text("1")), set(b, text("2")))
		p.wantValue(a, text("1"), v)
		p.wantValue(b, text("2"), v)
	}},
	{"write/mutations apply in order", func(p *probe) {
		a, b, c := p.key("a"), p.key("b"), p.key("c")
		v := p.commit(
			set(a, text("1")), del(a),
			del(b), set(b, text("2")),
			set(c, protocol.U64Value(1)), u64(protocol.MutationSum, c, 2), u64(protocol.MutationMax, c, 10),
		)
		p.wantAbsent(a)
		p.wantValue(b, text("2"), v)
		p.wantValue(c, protocol.U64Value(10), v)
	}},
	{"write/check of an absent key", func(p *probe) {
		key := p.key("a")
		absent := []protocol.Check{{Key: key}}
		p.equal("status", p.write(absent, set(key, text("1"))).Status, protocol.AtomicWriteCommitted)
		p.equal("status", p.write(absent, set(key, text("2"))).Status, protocol.AtomicWriteCheckFailed)
		p.equal("value", p.get(key).Value, text("1"))
	}},
	{"write/check of a versionstamp", func(p *probe) {
		key, other := p.key("a"), p.key("b")
		old := p.commit(set(key, text("1")))
		current := p.commit(set(key, text("2")))
		p.equal("status with the old one",
			p.write([]protocol.Check{{Key: key, Versionstamp: old}}, set(other, text(""))).Status, protocol.AtomicWriteCheckFailed)
		p.wantAbsent(other)
		p.equal("status with the current one",
			p.write([]protocol.Check{{Key: key, Versionstamp: current}}, set(other, text(""))).Status, protocol.AtomicWriteCommitted)
		p.equal("status with one of an absent key",
			p.write([]protocol.Check{{Key: p.key("c"), Versionstamp: current}}).Status, protocol.AtomicWriteCheckFailed)
	}},
	{"write/all failed checks are listed", func(p *probe) {
		key, absent := p.key("a"), p.key("b")
		v := p.commit(set(key, text("")))
		output := p.write([]protocol.Check{
			{Key: key}, {Key: key, Versionstamp: v}, {Key: absent, Versionstamp: v}, {Key: absent}, {Key: key, Versionstamp: protocol.Versionstamp{1}},
		})
		p.equal("output", output, protocol.AtomicWriteOutput{
			Status: protocol.AtomicWriteCheckFailed, FailedChecks: []uint32{0, 2, 4},
		})
	}},
	{"write/checks see the state before the write", func(p *probe) {
		key := p.key("a")
		p.equal("status", p.write([]protocol.Check{{Key: key}}, set(key, text("1")), del(key)).Status, protocol.AtomicWriteCommitted)
	}},
	{"write/100 checks", func(p *probe) {
		checks := slices.Repeat([]protocol.Check{{Key: p.key("a")}}, protocol.MaxChecks)
		p.equal("status", p.write(checks).Status, protocol.AtomicWriteCommitted)
	}},
	{"write/versionstamped key", func(p *probe) {
		stamped := func(value string) protocol.Mutation {
			return protocol.Mutation{Type: protocol.MutationSetVersionstampedKey, Key: p.key("log"), Value: text(value)}
		}
		first := p.commit(stamped("1"))
		second := p.commit(stamped("2"))
		p.wantValue(p.key("log", first.String()), text("1"), first)
		p.wantValue(p.key("log", second.String()), text("2"), second)
		got := p.ranges(protocol.ReadRange{Start: p.key("log"), End: p.key("log", true), Limit: 10})[0]
		p.equal("keys", keysOf(got), [][]byte{p.key("log", first.String()), p.key("log", second.String())})
	}},
	{"write/nothing remains of a write that fails", func(p *probe) {
		before, counter, word := p.key("before"), p.key("counter"), p.key("word")
		p.commit(set(word, text("x")), set(counter, protocol.U64Value(1)))
		p.mustFail("Failed to perform 'sum' mutation on a non-U64 value in the database",
			set(before, text("1")), u64(protocol.MutationSum, counter, 1), del(word), set(word, text("y")),
			u64(protocol.MutationSum, word, 1), set(before, text("2")))
		p.wantAbsent(before)
		p.equal("counter", p.get(counter).Value, protocol.U64Value(1))
		p.equal("word", p.get(word).Value, text("x"))
	}},
}

var counterCases = []testCase{
	{"counter/an absent key takes the operand", func(p *probe) {
		for _, kind := range []protocol.MutationType{protocol.MutationSum, protocol.MutationMin, protocol.MutationMax} {
			key := p.key(kind.String())
			p.wantValue(key, protocol.U64Value(5), p.commit(u64(kind, key, 5)))
		}
	}},
	{"counter/sum, min and max", func(p *probe) {
		key := p.key("a")
		p.commit(set(key, protocol.U64Value(10)))
		for _, step := range []struct {
			kind          protocol.MutationType
			operand, want uint64
		}{
			{protocol.MutationSum, 5, 15},
			{protocol.MutationMin, 20, 15},
			{protocol.MutationMin, 3, 3},
			{protocol.MutationMax, 2, 3},
			{protocol.MutationMax, 1 << 63, 1 << 63},
			{protocol.MutationSum, 1<<63 + 4, 4},
			{protocol.MutationSum, 1<<64 - 1, 3},
		} {
			p.wantValue(key, protocol.U64Value(step.want), p.commit(u64(step.kind, key, step.operand)))
		}
	}},
	{"counter/other types are refused", func(p *probe) {
		key := p.key("a")
		for _, value := range []protocol.Value{
			text("12345678"), {Data: []byte{0xff, 0x0f, 0x49, 0x02}, Encoding: protocol.EncodingV8},
		} {
			v := p.commit(set(key, value))
			for _, kind := range []protocol.MutationType{protocol.MutationMin, protocol.MutationMax} {
				p.mustFail("Failed to perform '"+kind.String()+"' mutation on a non-U64 value in the database", u64(kind, key, 1))
			}
			p.mustFail("Failed to perform 'sum' mutation on a non-U64 value in the database", u64(protocol.MutationSum, key, 1))
			p.wantValue(key, value, v)
		}
	}},
}
