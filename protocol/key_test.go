package protocol_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/kvconnect/kvconnect/protocol"
)

// keysOfVectors gives each key of testdata/keys.json, which names them as
// JavaScript expressions, as it is written in Go.
func keysOfVectors() map[string]protocol.Key {
	power := func(n int64) *big.Int { return new(big.Int).Exp(big.NewInt(2), big.NewInt(n), nil) }
	less := func(a *big.Int, b int64) *big.Int { return new(big.Int).Sub(a, big.NewInt(b)) }
	negative := func(a *big.Int) *big.Int { return new(big.Int).Neg(a) }
	return map[string]protocol.Key{
		`[new Uint8Array([])]`:          {[]byte{}},
		`[new Uint8Array([0,255,0,1])]`: {[]byte{0, 255, 0, 1}},
		`[""]`:                          {""},
		`["\u0000"]`:                    {"\x00"},
		`["a","b"]`:                     {"a", "b"},
		`["users", 42, "posts", 7n, true, new Uint8Array([1,2,3])]`: {
			"users", 42.0, "posts", big.NewInt(7), true, []byte{1, 2, 3},
		},
		`["\u00e9\u4e2d\ud83d\ude00"]`:         {"é中😀"},
		`[-(2n**200n)]`:                        {negative(power(200))},
		`[-(2n**64n-1n)]`:                      {negative(less(power(64), 1))},
		`[-256n]`:                              {big.NewInt(-256)},
		`[-1n]`:                                {big.NewInt(-1)},
		`[1n]`:                                 {big.NewInt(1)},
		`[255n]`:                               {big.NewInt(255)},
		`[65535n]`:                             {big.NewInt(65535)},
		`[2n**63n-1n]`:                         {less(power(63), 1)},
		`[2n**63n]`:                            {power(63)},
		`[2n**64n]`:                            {power(64)},
		`[2n**2039n]`:                          {power(2039)},
		`[-Infinity]`:                          {math.Inf(-1)},
		`[-1]`:                                 {-1.0},
		`[-0]`:                                 {math.Copysign(0, -1)},
		`[0]`:                                  {0.0},
		`[0.5]`:                                {0.5},
		`[1,"1",1n,new Uint8Array([49]),true]`: {1.0, "1", big.NewInt(1), []byte("1"), true},
		`[3.141592653589793]`:                  {math.Pi},
		`[1e308]`:                              {1e308},
		`[NaN]`:                                {math.NaN()},
		`[false]`:                              {false},
		`[true,false]`:                         {true, false},
	}
}

// sameKey compares numbers by their bits, which tells 0 from -0 and finds NaN
// equal to itself.
var sameKey = cmp.Options{
	cmp.Comparer(func(a, b float64) bool {
		return math.Float64bits(a) == math.Float64bits(b) || math.IsNaN(a) && math.IsNaN(b)
	}),
	cmp.Comparer(func(a, b *big.Int) bool { return a.Cmp(b) == 0 }),
}

func TestKeysAreEncodedAsByDeno(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/keys.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Keys []struct {
			JS  string `json:"js"`
			Hex string `json:"hex"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	keys := keysOfVectors()
	if len(keys) != len(vectors.Keys) {
		t.Errorf("there are %d vectors and %d keys for them", len(vectors.Keys), len(keys))
	}
	var before []byte
	for _, vector := range vectors.Keys {
		key, ok := keys[vector.JS]
		if !ok {
			t.Errorf("no key for the vector %s", vector.JS)
			continue
		}
		want, err := hex.DecodeString(vector.Hex)
		if err != nil {
			t.Fatal(err)
		}
		got, err := key.Encode()
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: Encode() = %x, %v; want %x", vector.JS, got, err, want)
		}
		decoded, err := protocol.DecodeKey(want)
		if err != nil {
			t.Errorf("%s: DecodeKey: %v", vector.JS, err)
		}
		if diff := cmp.Diff(key, decoded, sameKey); diff != "" {
			t.Errorf("%s: DecodeKey (-want +got):\n%s", vector.JS, diff)
		}
		if bytes.Compare(before, got) >= 0 {
			t.Errorf("%s does not sort after the key before it", vector.JS)
		}
		before = got
	}
}

func TestZeroBigInt(t *testing.T) {
	t.Parallel()
	got, err := protocol.Key{new(big.Int)}.Encode()
	if err != nil || !bytes.Equal(got, []byte{0x14}) {
		t.Errorf("Encode() = %x, %v; want 14", got, err)
	}
}

func TestKeysWithoutEncoding(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]protocol.Key{
		"no parts":                 {},
		"part of another type":     {1},
		"bigint of 256 bytes":      {new(big.Int).Lsh(big.NewInt(1), 255*8)},
		"negative of 256 bytes":    {new(big.Int).Neg(new(big.Int).Lsh(big.NewInt(1), 255*8))},
		"second part without type": {"a", nil},
	} {
		if got, err := key.Encode(); !errors.Is(err, protocol.ErrInvalidKey) {
			t.Errorf("%s: Encode() = %x, %v; want ErrInvalidKey", name, got, err)
		}
	}
}

func TestBytesThatEncodeNoKey(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string]string{
		"nothing":                      "",
		"unknown tag":                  "ff",
		"string without end":           "0261",
		"string with escape at end":    "0200ff",
		"number cut short":             "21c0",
		"bigint cut short":             "16ff",
		"long bigint without length":   "1d",
		"long bigint that is short":    "1d0101",
		"bigint with leading zero":     "1500",
		"negative with leading zero":   "13ff",
		"second part with unknown tag": "026100ee",
	} {
		data, err := hex.DecodeString(raw)
		if err != nil {
			t.Fatal(err)
		}
		if key, err := protocol.DecodeKey(data); !errors.Is(err, protocol.ErrInvalidKey) {
			t.Errorf("%s: DecodeKey() = %v, %v; want ErrInvalidKey", name, key, err)
		}
	}
}

func TestVersionstampedKeyIsKeyWithStringPart(t *testing.T) {
	t.Parallel()
	v := protocol.VersionstampOf(0x0123456789abcdef)
	if got, want := v.String(), "0123456789abcdef0000"; got != want {
		t.Errorf("String() = %s, want %s", got, want)
	}
	prefix, err := protocol.Key{"log"}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	want, err := protocol.Key{"log", v.String()}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if got := protocol.VersionstampedKey(prefix, v); !bytes.Equal(got, want) {
		t.Errorf("VersionstampedKey() = %x, want %x", got, want)
	}
}

func FuzzDecodeKey(f *testing.F) {
	for _, key := range keysOfVectors() {
		raw, err := key.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte(strings.Repeat("\x01", 100)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		key, err := protocol.DecodeKey(raw)
		if err != nil {
			if !errors.Is(err, protocol.ErrInvalidKey) {
				t.Fatalf("DecodeKey: %v is no ErrInvalidKey", err)
			}
			return
		}
		encoded, err := key.Encode()
		if err != nil {
			t.Fatalf("a decoded key does not encode: %v", err)
		}
		again, err := protocol.DecodeKey(encoded)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(key, again, sameKey); diff != "" {
			t.Fatalf("after a round trip (-before +after):\n%s", diff)
		}
	})
}
