package protocol_test

import (
	"math/big"
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
)

// benchKeys are what programs name things by, and one with every type of part.
var benchKeys = []struct {
	name string
	key  protocol.Key
}{
	{"parts=2", protocol.Key{"users", "0f8fad5b-d9cb-469f-a165-70867728950e"}},
	{"parts=5", protocol.Key{"a", []byte{0, 1, 2, 3}, 42.5, big.NewInt(-7_000_000_000), true}},
}

func BenchmarkKeyEncode(b *testing.B) {
	for _, k := range benchKeys {
		b.Run(k.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := k.key.Encode(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkKeyDecode(b *testing.B) {
	for _, k := range benchKeys {
		raw, err := k.key.Encode()
		if err != nil {
			b.Fatal(err)
		}
		b.Run(k.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := protocol.DecodeKey(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
