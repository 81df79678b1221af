package conformance

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
)

// noV8Numbers are V8 values, and what is none, that no sum can be made of.
var noV8Numbers = [][]byte{
	{},
	{0xff},
	{0xff, 0x0f},
	{0xff, 0x0f, '"', 1, 'x'},
	{0xff, 0x0f, 'o', '{', 0},
	{0xff, 0x0f, 'T'},
	{0xff, 0x0f, 'n', 0, 0, 0, 0, 0, 0, 0, 0}, // an object around a number
	{0xff, 0x0f, 'N', 0},
	{0xff, 0x0f, 'Z', 4, 1},
	[]byte("no V8"),
}

// randomV8Number gives a number or a bigint, in any of the forms that V8 reads.
func randomV8Number(random *rand.Rand, isBigInt bool) []byte {
	out := []byte{0xff, pick[byte](random, 14, 15, 16)}
	if random.IntN(50) == 0 {
		out[1] = 13
	}
	if isBigInt {
		return appendV8BigInt(out, random)
	}
	switch random.IntN(6) {
	case 0, 1, 2: // of which the last bit is the sign
		return binary.AppendUvarint(append(out, 'I'), uint64(pick(random, 0, 1, 2, 2, 3, 4, 4, math.MaxUint32, random.Uint32())))
	case 3:
		return binary.AppendUvarint(append(out, 'U'), uint64(pick(random, 0, 1, 2, math.MaxUint32, random.Uint32())))
	default:
		f := pick(random,
			0, math.Copysign(0, -1), 1, -1, 0.1, 0.5, 1<<53, -1e300, math.MaxFloat64, -math.MaxFloat64,
			math.SmallestNonzeroFloat64, math.Inf(1), math.Inf(-1), random.NormFloat64(),
		)
		bits := math.Float64bits(f)
		if random.IntN(12) == 0 {
			bits = 0x7ff8 << 48 // JavaScript's NaN
		}
		return binary.LittleEndian.AppendUint64(append(out, 'N'), bits)
	}
}

// appendV8BigInt appends one that is not always in as few bytes as it has.
func appendV8BigInt(out []byte, random *rand.Rand) []byte {
	size := pick(random, 0, 1, 1, 1, 1, 1, 2, 7, 8, 9, 16, 100)
	digits := make([]byte, size)
	switch random.IntN(5) {
	case 0, 1: // zero, or a small number filled up
		if size > 0 {
			digits[0] = pick[byte](random, 0, 1, 2)
		}
	case 2:
		for i := range digits {
			digits[i] = 0xff
		}
	default:
		for i := range digits {
			digits[i] = byte(random.UintN(256)) //nolint:gosec // below 256
		}
	}
	header := uint64(size)<<1 | pick[uint64](random, 0, 1) //nolint:gosec // not negative
	out = binary.AppendUvarint(append(out, 'Z'), header)
	return append(out, digits...)
}
