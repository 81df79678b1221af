package conformance

import (
	"bytes"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
)

const (
	keyIsEmpty   = "the key is empty: a key has at least one part"
	keyIsTooLong = "the key is too long: {n} bytes, at most "
	ofMutation0  = "atomic write: mutation 0: "
)

// wireOperand is a value that every mutation with a value takes.
func wireOperand() *datapath.KvValue {
	return &datapath.KvValue{Data: []byte{7, 0, 0, 0, 0, 0, 0, 0}, Encoding: datapath.ValueEncoding_VE_LE64}
}

// mutationLimits are the bounds on one mutation, for each type of mutation.
func mutationLimits() []limit {
	var limits []limit
	for _, kind := range []protocol.MutationType{
		protocol.MutationSet, protocol.MutationSum, protocol.MutationMin, protocol.MutationMax,
		protocol.MutationSetVersionstampedKey, protocol.MutationDelete,
	} {
		// call makes a write of one mutation of the kind.
		call := func(p *probe, key []byte, value *datapath.KvValue) wireCall {
			mutation := &datapath.Mutation{Key: key, MutationType: wireMutationTypes[kind], Value: value}
			write := &datapath.AtomicWrite{Mutations: []*datapath.Mutation{mutation, p.beside()}}
			return p.wire("atomic_write", write, func(reply wireReply) {
				v := p.committed(reply)
				stored := protocol.Mutation{Type: kind, Key: key}.StoredKey(v)
				if kind == protocol.MutationDelete {
					p.wantAbsent(stored)
				} else {
					p.wantValue(stored, protocol.Value{Data: value.GetData(), Encoding: protocol.ValueEncoding(value.GetEncoding())}, v)
				}
				p.equal("entry beside it", p.get(p.key("beside")) != nil, true)
			})
		}
		keys := limit{
			name: "key of a " + kind.String(), served: []int{2047, 2048}, refused: []int{2049},
			text: ofMutation0 + keyIsTooLong + "2048",
			call: func(p *probe, n int) wireCall {
				key := p.longKey(n)
				if kind == protocol.MutationDelete && n > 0 && n <= 2048 {
					p.commit(set(key, text("")))
				}
				return call(p, key, wireOperand())
			},
		}
		if kind == protocol.MutationSetVersionstampedKey {
			// With its suffix of 22 bytes it is as long as any other.
			keys.served, keys.refused, keys.text = []int{2025, 2026}, []int{2027, 2048}, ofMutation0+keyIsTooLong+"2026"
		}
		// Where it is served, it leaves a key without the prefix of the case, which no
		// other case reads.
		limits = append(limits, keys, limit{
			name: "empty key of a " + kind.String(), refused: []int{0}, text: ofMutation0 + keyIsEmpty, call: keys.call,
		})
		if kind == protocol.MutationDelete {
			continue // it has no value
		}
		limits = append(limits, limit{
			name: "8 bytes of a KvU64 in a " + kind.String(), served: []int{8}, refused: []int{0, 7, 9},
			text: ofMutation0 + "a VE_LE64 value has exactly 8 bytes, not {n}",
			call: func(p *probe, n int) wireCall {
				return call(p, p.key("a"), &datapath.KvValue{Data: bytes.Repeat([]byte{1}, n), Encoding: datapath.ValueEncoding_VE_LE64})
			},
		})
		if kind != protocol.MutationSet && kind != protocol.MutationSetVersionstampedKey {
			continue // its value has 8 bytes
		}
		for _, encoding := range []datapath.ValueEncoding{datapath.ValueEncoding_VE_BYTES, datapath.ValueEncoding_VE_V8} {
			limits = append(limits, limit{
				name:   "value of a " + kind.String() + " in " + encoding.String(),
				served: []int{65_535, 65_536}, refused: []int{65_537},
				text: ofMutation0 + "the value is too long: store it in parts, or store a reference to it: {n} bytes, at most 65536",
				call: func(p *probe, n int) wireCall {
					return call(p, p.key("a"), &datapath.KvValue{Data: bytes.Repeat([]byte{1}, n), Encoding: encoding})
				},
			})
		}
	}
	return limits
}
