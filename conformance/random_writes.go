package conformance

import (
	"math/rand/v2"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
)

// randomWrites makes atomic writes at random. They touch few keys, so that they
// meet each other, and know the state of a model, so that about half of them go
// through.
type randomWrites struct {
	random *rand.Rand
	model  *model
}

func newRandomWrites(seed uint64, m *model) *randomWrites {
	return &randomWrites{
		random: rand.New(rand.NewPCG(seed, 0)), //nolint:gosec // it is to be repeatable, not secret
		model:  m,
	}
}

// randomKeys are the keys of all random writes: some are prefixes of others, some
// sort after the versionstamped keys made from others, and none needs to be the
// encoding of anything.
var randomKeys = []string{"a", "a\x00", "a\x02\xff", "b", "bb", "\x00", "\x02log\x00", "\xfe\xff"}

func pick[T any](random *rand.Rand, from ...T) T { return from[random.IntN(len(from))] }

func (g *randomWrites) write() protocol.AtomicWrite {
	var write protocol.AtomicWrite
	for range pick(g.random, 0, 0, 0, 1, 1, 2, 4) {
		write.Checks = append(write.Checks, g.check())
	}
	for range g.random.IntN(7) {
		write.Mutations = append(write.Mutations, g.mutation())
	}
	return write
}

// key gives one of randomKeys or, now and then, some other key that is there.
func (g *randomWrites) key() []byte {
	if keys := g.model.keys(); len(keys) > 0 && g.random.IntN(5) == 0 {
		return []byte(pick(g.random, keys...))
	}
	return []byte(pick(g.random, randomKeys...))
}

func (g *randomWrites) check() protocol.Check {
	check := protocol.Check{Key: g.key()}
	switch g.random.IntN(8) {
	case 0: // absent
	case 1:
		check.Versionstamp = protocol.VersionstampOf(g.random.Int64N(g.model.version + 2))
	default:
		check.Versionstamp = g.model.versionstamp(check.Key)
	}
	return check
}

func (g *randomWrites) mutation() protocol.Mutation {
	m := protocol.Mutation{Key: g.key()}
	switch g.random.IntN(20) {
	case 0, 1, 2:
		m.Type, m.ExpireAtMs = protocol.MutationSet, g.expireAtMs()
		m.Value = pick(g.random, g.number(), g.v8Number(m.Key))
	case 3, 4, 5:
		m.Type, m.Value, m.ExpireAtMs = protocol.MutationSet, g.value(), g.expireAtMs()
	case 6, 7, 8:
		m.Type = protocol.MutationDelete
	case 9:
		m.Type, m.Value, m.ExpireAtMs = protocol.MutationSetVersionstampedKey, g.value(), g.expireAtMs()
	case 10, 11:
		m.Type, m.Value = protocol.MutationMin, g.number()
	case 12, 13:
		m.Type, m.Value = protocol.MutationMax, g.number()
	case 14, 15:
		m.Type, m.Value = protocol.MutationSum, g.number()
	default:
		m.Type, m.Value = protocol.MutationSum, g.v8Number(m.Key)
		if g.random.IntN(3) == 0 {
			m.SumMin = pick(g.random, nil, g.v8Number(m.Key).Data)
			m.SumMax = pick(g.random, nil, g.v8Number(m.Key).Data)
			m.SumClamp = g.random.IntN(2) == 0
		}
	}
	return m
}

// v8Number gives one of a kind that is often that of the key.
func (g *randomWrites) v8Number(key []byte) protocol.Value {
	isBigInt := (len(key)%2 == 0) != (g.random.IntN(8) == 0)
	return protocol.Value{Data: randomV8Number(g.random, isBigInt), Encoding: protocol.EncodingV8}
}

func (g *randomWrites) number() protocol.Value {
	return protocol.U64Value(pick(g.random, 0, 1, 2, 10, 1<<63, 1<<64-1, g.random.Uint64()))
}

// value gives one that is no number most of the time.
func (g *randomWrites) value() protocol.Value {
	return pick(g.random,
		text(""), text("x"), text("8 bytes!"),
		protocol.Value{Data: pick(g.random, noV8Numbers...), Encoding: protocol.EncodingV8},
		g.number(),
		g.v8Number(nil),
	)
}

// expireAtMs gives times that the clock will get to soon, and some that it has
// passed.
func (g *randomWrites) expireAtMs() int64 {
	if g.random.IntN(2) == 0 {
		return 0
	}
	return g.model.clock.InMs(0) + pick[int64](g.random, -1000, -1, 0, 1, 2, 5, 20, 50, 120_000)
}

// moment gives a time to let pass: often one that ends just before, at or after
// the moment at which a key expires.
func (g *randomWrites) moment() time.Duration {
	var pausesMs []int64
	nowMs := g.model.clock.InMs(0)
	for _, key := range g.model.keys() {
		if entry, _ := g.model.get(key); entry.expireAtMs > 0 {
			pausesMs = append(pausesMs, entry.expireAtMs-nowMs+pick[int64](g.random, -1, 0, 1))
		}
	}
	if len(pausesMs) == 0 || g.random.IntN(4) == 0 {
		return time.Duration(g.random.IntN(10)) * time.Millisecond
	}
	return time.Duration(pick(g.random, pausesMs...)) * time.Millisecond
}

// page gives a range of the whole database to read a few entries at a time of.
func (g *randomWrites) page() protocol.ReadRange {
	return protocol.ReadRange{End: []byte{0xff}, Limit: 1 + g.random.IntN(9), Reverse: g.random.IntN(2) == 0}
}

// ranges gives some ranges, which may overlap or be empty.
func (g *randomWrites) ranges() []protocol.ReadRange {
	ranges := make([]protocol.ReadRange, g.random.IntN(4))
	for i := range ranges {
		ranges[i] = protocol.ReadRange{
			Start: g.key(), End: g.key(), Limit: 1 + g.random.IntN(9), Reverse: g.random.IntN(2) == 0,
		}
	}
	return ranges
}
