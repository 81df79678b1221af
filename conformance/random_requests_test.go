package conformance

import (
	"bytes"
	"encoding/binary"
	"maps"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
	"google.golang.org/protobuf/proto"
)

// request is a call of the data path.
type request struct {
	method string
	// message is what the body says, nil if it says nothing.
	message proto.Message
	// body is given if it is not simply the encoded message.
	body []byte
}

// randomRequests makes requests at random, valid ones and invalid ones. They touch
// few keys, so that they meet each other.
type randomRequests struct {
	random *rand.Rand
	// versionstamps is what the generator knows of the database: what the last
	// write that it was told of left under a key, or nil.
	versionstamps map[string][]byte
}

func newRandomRequests(seed uint64) *randomRequests {
	return &randomRequests{random: rand.New(rand.NewPCG(seed, 0)), versionstamps: make(map[string][]byte)}
}

// requestKeys are most of the keys of all requests. Keys may be any bytes.
var requestKeys = []string{
	"a", "a\x00", "a\x02\xff", "b", "\x02b\x00", "\x02b\x00\x27", "\x00", "\xff", "\xff\xff", "c", "d", "e", "f", "g",
}

// oneIn is true once in n times.
func (g *randomRequests) oneIn(n int) bool { return g.random.IntN(n) == 0 }

func (g *randomRequests) next() request {
	var r request
	if g.oneIn(3) {
		r = request{method: "snapshot_read", message: g.read()}
	} else {
		r = request{method: "atomic_write", message: g.write()}
	}
	if g.oneIn(12) {
		g.spoil(&r)
	}
	return r
}

func (g *randomRequests) key() []byte {
	switch {
	case g.oneIn(100):
		size := pick(g.random, 0, 0, 0, 2025, 2026, 2027, 2047, 2048, 2049, 2050, 5000)
		return bytes.Repeat([]byte{pick[byte](g.random, 'k', 0, 0xff)}, size)
	case g.oneIn(4) && len(g.versionstamps) > 0:
		return []byte(pick(g.random, slices.Sorted(maps.Keys(g.versionstamps))...))
	default:
		return []byte(pick(g.random, requestKeys...))
	}
}

func (g *randomRequests) read() *datapath.SnapshotRead {
	var read datapath.SnapshotRead
	n := g.random.IntN(4)
	if g.oneIn(50) {
		n = pick(g.random, 9, 10, 11, 40)
	}
	limits := []int32{1, 1, 2, 3, 5, 10, 20}
	if g.oneIn(20) {
		limits = []int32{0, -1, 90, 100, 101, 110, 499, 500, 501, 1000, 1001, math.MaxInt32, math.MinInt32}
	}
	for range n {
		r := &datapath.ReadRange{Start: g.key(), End: g.key(), Limit: pick(g.random, limits...), Reverse: g.oneIn(2)}
		switch g.random.IntN(6) {
		case 0:
			r.Start = nil
		case 1:
			r.End = []byte{0xff, 0xff, 0xff}
		case 2: // the way a single key is read
			r.End = append(slices.Clone(r.GetStart()), 0)
		default:
		}
		read.Ranges = append(read.Ranges, r)
	}
	return &read
}

func (g *randomRequests) write() *datapath.AtomicWrite {
	var write datapath.AtomicWrite
	if g.oneIn(60) {
		g.large(&write)
		return &write
	}
	for range pick(g.random, 0, 0, 0, 1, 1, 2, 4) {
		write.Checks = append(write.Checks, g.check())
	}
	for range g.random.IntN(6) {
		write.Mutations = append(write.Mutations, g.mutation())
	}
	if g.oneIn(150) {
		write.Enqueues = append(write.Enqueues, &datapath.Enqueue{Payload: []byte{0xff, 0x0f, '0'}, DeadlineMs: pick(g.random, 0, farFuture)})
	}
	return &write
}

// large makes a write that has nothing wrong but, perhaps, that there is one check,
// mutation or byte too many.
func (g *randomRequests) large(write *datapath.AtomicWrite) {
	size := 0
	set := func(data []byte) {
		m := &datapath.Mutation{
			Key: []byte(pick(g.random, requestKeys...)), MutationType: datapath.MutationType_M_SET,
			Value: &datapath.KvValue{Data: data, Encoding: datapath.ValueEncoding_VE_BYTES},
		}
		size += len(m.GetKey()) + len(data)
		write.Mutations = append(write.Mutations, m)
	}
	if g.oneIn(3) {
		for range pick(g.random, 9, 10, 11, 99, 100, 101) {
			write.Checks = append(write.Checks, &datapath.Check{Key: []byte("absent")})
			size += len("absent")
		}
	}
	switch g.random.IntN(3) {
	case 0:
		for range pick(g.random, 999, 1000, 1001) {
			set(nil)
		}
	case 1:
		for size < protocol.MaxAtomicWriteBytes-2*protocol.MaxValueBytes {
			set(make([]byte, protocol.MaxValueBytes))
		}
		if g.oneIn(4) {
			number := v8BigInt(1, false)
			write.Mutations = append(write.Mutations, &datapath.Mutation{
				Key: []byte("bounded"), MutationType: datapath.MutationType_M_SUM, SumMin: number, SumMax: number, SumClamp: true,
				Value: &datapath.KvValue{Data: number, Encoding: datapath.ValueEncoding_VE_V8},
			})
			size += len("bounded") + 3*len(number)
		}
		set(make([]byte, protocol.MaxValueBytes))
		rest := protocol.MaxAtomicWriteBytes - size + pick(g.random, -1, 0, 1)
		write.Mutations = append(write.Mutations, &datapath.Mutation{
			Key: []byte("f"), MutationType: datapath.MutationType_M_SET,
			Value: &datapath.KvValue{Data: make([]byte, rest-1), Encoding: datapath.ValueEncoding_VE_BYTES},
		})
	default:
	}
}

func (g *randomRequests) check() *datapath.Check {
	check := &datapath.Check{Key: g.key()}
	switch g.random.IntN(40) {
	case 0:
		check.Versionstamp = make([]byte, pick(g.random, 1, 9, 10, 11, 20))
	case 1, 2, 3, 4:
		check.Versionstamp = bytes.Repeat([]byte{pick[byte](g.random, 1, 0xff)}, protocol.VersionstampBytes)
	case 5, 6, 7, 8: // absent
	default:
		check.Versionstamp = g.versionstamps[string(check.GetKey())]
	}
	return check
}

func (g *randomRequests) mutation() *datapath.Mutation {
	m := &datapath.Mutation{Key: g.key(), Value: g.value()}
	switch g.random.IntN(16) {
	case 0, 1, 2:
		m.MutationType = datapath.MutationType_M_SET
	case 3, 4:
		m.MutationType, m.Value = datapath.MutationType_M_SET, g.u64()
	case 5:
		m.MutationType, m.Value = datapath.MutationType_M_SET, g.v8Number(m.GetKey())
	case 6, 7:
		m.MutationType = datapath.MutationType_M_DELETE
		if g.oneIn(2) {
			m.Value = nil
		}
	case 8:
		m.MutationType = datapath.MutationType_M_SET_SUFFIX_VERSIONSTAMPED_KEY
	case 9, 10, 11, 12:
		m.MutationType, m.Value = datapath.MutationType_M_SUM, g.v8Number(m.GetKey())
		if g.oneIn(3) {
			m.SumMin = pick(g.random, nil, g.v8Number(m.GetKey()).GetData())
			m.SumMax = pick(g.random, nil, g.v8Number(m.GetKey()).GetData())
			m.SumClamp = g.oneIn(2)
		}
	default:
		m.MutationType, m.Value = pick(g.random, datapath.MutationType_M_SUM, datapath.MutationType_M_MIN, datapath.MutationType_M_MAX), g.u64()
	}
	if g.oneIn(25) {
		m.ExpireAtMs = pick(g.random, past, farFuture)
	}
	if g.oneIn(80) {
		g.spoilMutation(m)
	}
	return m
}

// v8Number gives one of a kind that is often that of the key, and now and then
// something else.
func (g *randomRequests) v8Number(key []byte) *datapath.KvValue {
	data := randomV8Number(g.random, (len(key)%2 == 0) != g.oneIn(8))
	switch g.random.IntN(100) {
	case 0:
		data = pick(g.random, noV8Numbers...)
	case 1, 2, 3:
		data = v8BigInt(pick(g.random, 65_530, 65_531), g.oneIn(2))
	case 4:
		data = append(data, 0, 1)
	case 5:
		data = []byte{0xff, 15, 'N', 1, 0, 0, 0, 0, 0, 0xf8, pick[byte](g.random, 0x7f, 0xff)} // a NaN, but not JavaScript's
	case 6:
		data[g.random.IntN(len(data))] ^= 1 << g.random.IntN(8)
	default:
	}
	return &datapath.KvValue{Data: data, Encoding: datapath.ValueEncoding_VE_V8}
}

// v8BigInt gives the largest bigint of a number of digits, or the smallest one.
func v8BigInt(digits int, negative bool) []byte {
	header := uint64(digits) << 1
	if negative {
		header++
	}
	data := binary.AppendUvarint([]byte{0xff, 15, 'Z'}, header)
	return append(data, bytes.Repeat([]byte{0xff}, digits)...)
}

func (g *randomRequests) u64() *datapath.KvValue {
	value := protocol.U64Value(pick(g.random, 0, 1, 2, 10, 1<<63, 1<<64-1, g.random.Uint64()))
	return &datapath.KvValue{Data: value.Data, Encoding: datapath.ValueEncoding_VE_LE64}
}

func (g *randomRequests) value() *datapath.KvValue {
	return pick(g.random,
		&datapath.KvValue{Encoding: datapath.ValueEncoding_VE_BYTES},
		&datapath.KvValue{Encoding: datapath.ValueEncoding_VE_BYTES, Data: []byte("8 bytes!")},
		&datapath.KvValue{Encoding: datapath.ValueEncoding_VE_V8, Data: pick(g.random, noV8Numbers...)},
		g.v8Number(nil),
	)
}
