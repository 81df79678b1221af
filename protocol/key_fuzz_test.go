package protocol_test

import (
	"bytes"
	"cmp"
	"errors"
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
)

// A key is what its bytes say and nothing else: who decodes a key to show it, and
// encodes it to use it, must not come to another one.
func FuzzDecodeKey(f *testing.F) {
	for _, vector := range readKeyVectors(f) {
		f.Add(vector.raw)
	}
	f.Add(bytes.Repeat([]byte{1}, 100))
	f.Fuzz(func(t *testing.T, raw []byte) {
		key, err := protocol.DecodeKey(raw)
		if err != nil {
			if !errors.Is(err, protocol.ErrInvalidKey) {
				t.Fatalf("DecodeKey: %v is no ErrInvalidKey", err)
			}
			return
		}
		if encoded, err := key.Encode(); err != nil || !bytes.Equal(encoded, raw) {
			t.Fatalf("%#v: Encode() = %x, %v; want %x", key, encoded, err, raw)
		}
	})
}

// Encoded keys compare as the parts do.
func FuzzKeyOrder(f *testing.F) {
	vectors := readKeyVectors(f)
	for i, vector := range vectors {
		f.Add(vector.raw, vectors[(i+1)%len(vectors)].raw)
	}
	f.Fuzz(func(t *testing.T, rawA, rawB []byte) {
		a, errA := protocol.DecodeKey(rawA)
		b, errB := protocol.DecodeKey(rawB)
		if errA != nil || errB != nil {
			return
		}
		if got, want := bytes.Compare(rawA, rawB), slices.CompareFunc(a, b, compareParts); got != want {
			t.Errorf("%#v compares to %#v as %d, and encoded as %d", a, b, want, got)
		}
	})
}

// compareParts compares parts by the order that the documentation of Deno KV states.
func compareParts(a, b any) int {
	if c := cmp.Compare(rankOfPart(a), rankOfPart(b)); c != 0 {
		return c
	}
	switch a := a.(type) {
	case []byte:
		b, _ := b.([]byte)
		return slices.Compare(a, b)
	case string:
		b, _ := b.(string)
		return cmp.Compare(a, b)
	case *big.Int:
		b, _ := b.(*big.Int)
		return a.Cmp(b)
	case float64:
		b, _ := b.(float64)
		return cmp.Or(cmp.Compare(rankOfNumber(a), rankOfNumber(b)), compareNumbers(a, b))
	default:
		return 0 // the rank of a boolean says it all
	}
}

func rankOfPart(part any) int {
	switch part := part.(type) {
	case []byte:
		return 1
	case string:
		return 2
	case *big.Int:
		return 3
	case float64:
		return 4
	default:
		if part == true {
			return 6
		}
		return 5
	}
}

// rankOfNumber puts each NaN on the side of its sign.
func rankOfNumber(f float64) int {
	switch {
	case !math.IsNaN(f):
		return 0
	case math.Signbit(f):
		return -1
	default:
		return 1
	}
}

// compareNumbers puts -0 below 0.
func compareNumbers(a, b float64) int {
	if a == 0 && b == 0 {
		return cmp.Compare(math.Copysign(1, a), math.Copysign(1, b))
	}
	return cmp.Compare(a, b)
}
