package conformance

import (
	"math"
	"slices"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// spoilMutation makes one of its fields something rare, invalid as a rule.
func (g *randomRequests) spoilMutation(m *datapath.Mutation) {
	switch g.random.IntN(8) {
	case 0:
		m.MutationType = pick[datapath.MutationType](g.random, 0, 6, 7, 8, 10, 255, -1, math.MaxInt32)
	case 1:
		m.ExpireAtMs = pick[int64](g.random, -1, -2, maxOracleTimeMs, maxOracleTimeMs+1, math.MaxInt64, math.MinInt64)
	case 2:
		m.Value = pick(g.random, nil, &datapath.KvValue{})
	case 3:
		m.Value = g.value()
		m.Value.Encoding = pick[datapath.ValueEncoding](g.random, 0, 4, -1, math.MaxInt32)
	case 4:
		m.Value = &datapath.KvValue{Encoding: datapath.ValueEncoding_VE_LE64, Data: make([]byte, pick(g.random, 0, 1, 7, 9, 16))}
	case 5:
		data := make([]byte, pick(g.random, 65535, 65536, 65537, 70000))
		m.Value = &datapath.KvValue{Encoding: pick(g.random, datapath.ValueEncoding_VE_BYTES, datapath.ValueEncoding_VE_V8), Data: data}
	case 6:
		m.MutationType, m.Value, m.SumMin = datapath.MutationType_M_SUM, g.u64(), v8BigInt(1, false)
	default:
		m.SumMin, m.SumMax, m.SumClamp = []byte{1}, randomV8Number(g.random, true), g.oneIn(2)
	}
}

// spoil gives the request a body that is not simply an encoded message.
func (g *randomRequests) spoil(r *request) {
	if write, isWrite := r.message.(*datapath.AtomicWrite); isWrite {
		// Versionstamps are not the same bytes on every server.
		write.Checks = slices.DeleteFunc(write.GetChecks(), func(c *datapath.Check) bool { return len(c.GetVersionstamp()) > 0 })
	}
	body, err := proto.Marshal(r.message)
	if err != nil || suffix.Match(body) {
		return // nor are versionstamped keys
	}
	switch g.random.IntN(6) {
	case 0:
		body = make([]byte, g.random.IntN(30))
		for i := range body {
			body[i] = byte(g.random.Uint32())
		}
	case 1:
		body = body[:g.random.IntN(len(body)+1)]
	case 2:
		for range 1 + g.random.IntN(3) {
			if len(body) > 0 {
				body[g.random.IntN(len(body))] ^= 1 << g.random.IntN(8)
			}
		}
	case 3:
		body = g.appendField(body)
	case 4: // fields of a part come twice, as two writers would merge them
		body = slices.Concat(body, body)
	default:
		body = g.nested(body)
	}
	r.body = body
	r.message = r.message.ProtoReflect().New().Interface()
	if proto.Unmarshal(body, r.message) != nil {
		r.message = nil
	}
}

// appendField adds a field that the schema may not know, or knows otherwise.
func (g *randomRequests) appendField(body []byte) []byte {
	number := pick[protowire.Number](g.random, 1, 2, 3, 4, 15, 16, 100, protowire.MaxValidNumber)
	if g.oneIn(50) {
		return protowire.AppendBytes(protowire.AppendTag(body, 100, protowire.BytesType), make([]byte, protocol.MaxAtomicWriteBodyBytes))
	}
	switch g.random.IntN(5) {
	case 0:
		return protowire.AppendVarint(protowire.AppendTag(body, number, protowire.VarintType), g.random.Uint64())
	case 1:
		return protowire.AppendFixed32(protowire.AppendTag(body, number, protowire.Fixed32Type), g.random.Uint32())
	case 2:
		return protowire.AppendFixed64(protowire.AppendTag(body, number, protowire.Fixed64Type), g.random.Uint64())
	case 3:
		body = protowire.AppendTag(body, number, protowire.StartGroupType)
		return protowire.AppendTag(body, number, protowire.EndGroupType)
	default:
		return protowire.AppendBytes(protowire.AppendTag(body, number, protowire.BytesType), body)
	}
}

// nested adds a field to the last part of the message.
func (g *randomRequests) nested(body []byte) []byte {
	start, last := 0, 0
	for start < len(body) {
		_, _, n := protowire.ConsumeField(body[start:])
		if n < 0 {
			return body
		}
		last, start = start, start+n
	}
	if last == len(body) {
		return body
	}
	number, _, tagSize := protowire.ConsumeTag(body[last:])
	part, _ := protowire.ConsumeBytes(body[last+tagSize:])
	part = g.appendField(slices.Clone(part))
	return protowire.AppendBytes(protowire.AppendTag(body[:last:last], number, protowire.BytesType), part)
}
