package protocol_test

import (
	"bytes"
	"errors"
	"math/big"
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/v8value"
)

// Whatever is summed, the outcome is a refusal that a client is told, or a value
// within the bounds that a sum of nothing leaves as it is.
func FuzzSum(f *testing.F) {
	number, double := []byte("\xff\x0fI\x02"), v8value.EncodeDouble(-1.5)
	one, other := []byte("\xff\x10Z\x10\x01\x00\x00\x00\x00\x00\x00\x00"), []byte("\xff\x0fZ\x05\x00\x01")
	f.Add(number, double, int32(protocol.EncodingV8), []byte{}, []byte{}, false)
	f.Add(double, number, int32(protocol.EncodingV8), number, double, true)
	f.Add(one, other, int32(protocol.EncodingV8), other, one, true)
	f.Add(other, one, int32(protocol.EncodingV8), []byte{}, one, false)
	f.Add(one, filled(8), int32(protocol.EncodingLE64), []byte{}, []byte{}, false)
	f.Add([]byte("\xff\x0fo{\x00"), filled(3), int32(protocol.EncodingBytes), []byte{}, []byte{}, false)
	f.Fuzz(func(t *testing.T, operand, stored []byte, encoding int32, low, high []byte, clamp bool) {
		m := protocol.Mutation{
			Type: protocol.MutationSum, Value: protocol.Value{Data: operand, Encoding: protocol.EncodingV8},
			SumMin: low, SumMax: high, SumClamp: clamp,
		}
		result, err := m.Combine(protocol.Value{Data: stored, Encoding: protocol.ValueEncoding(encoding)}, true)
		if err != nil {
			if !errors.Is(err, protocol.ErrTypeMismatch) && !errors.Is(err, protocol.ErrValueTooLong) {
				t.Errorf("the error %v is none that a client can be told", err)
			}
			return
		}
		if result.Encoding == protocol.EncodingLE64 {
			return
		}
		decoded, err := v8value.Decode(result.Data)
		if err != nil {
			t.Fatalf("the result %x cannot be read: %v", result.Data, err)
		}
		nothing := protocol.Mutation{Type: protocol.MutationSum, Value: v8(t, 0.0)}
		switch decoded := decoded.(type) {
		case float64:
			least, isLeast := decodedAs[float64](low)
			most, isMost := decodedAs[float64](high)
			if isMost && decoded > most || isLeast && decoded < least && (!isMost || least <= most) {
				t.Errorf("the result %v is not from %v to %v", decoded, least, most)
			}
		case *big.Int:
			nothing.Value = v8(t, new(big.Int))
			least, _ := decodedAs[*big.Int](low)
			most, bounded := decodedAs[*big.Int](high)
			if bounded && decoded.Cmp(most) > 0 || least != nil && decoded.Cmp(least) < 0 && (!bounded || least.Cmp(most) <= 0) {
				t.Errorf("the result %s is not from %s to %s", decoded, least, most)
			}
		default:
			t.Fatalf("the result is a %T", decoded)
		}
		if again, err := nothing.Combine(result, true); err != nil || !bytes.Equal(again.Data, result.Data) {
			// -0 and 0 make 0.
			if decoded != any(0.0) {
				t.Errorf("a sum of nothing made %x, %v of %x", again.Data, err, result.Data)
			}
		}
	})
}

// decodedAs gives the V8 value if it is of the type.
func decodedAs[T any](data []byte) (value T, ok bool) {
	decoded, err := v8value.Decode(data)
	if err != nil {
		return value, false
	}
	value, ok = decoded.(T)
	return value, ok
}
