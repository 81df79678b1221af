package protocol_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"os"
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

// keyVector is a key and its stored bytes.
type keyVector struct {
	js  string
	raw []byte
}

// readKeyVectors gives the vectors in the order of their bytes.
func readKeyVectors(tb testing.TB) []keyVector {
	tb.Helper()
	data, err := os.ReadFile("testdata/keys.json")
	if err != nil {
		tb.Fatal(err)
	}
	var file struct {
		Keys []struct {
			JS  string `json:"js"`
			Hex string `json:"hex"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		tb.Fatal(err)
	}
	vectors := make([]keyVector, len(file.Keys))
	for i, key := range file.Keys {
		raw, err := hex.DecodeString(key.Hex)
		if err != nil {
			tb.Fatal(err)
		}
		vectors[i] = keyVector{key.JS, raw}
	}
	return vectors
}

func TestKeysAreEncodedAsByDeno(t *testing.T) {
	t.Parallel()
	vectors := readKeyVectors(t)
	keys := keysOfVectors()
	if len(keys) != len(vectors) {
		t.Errorf("there are %d vectors and %d keys for them", len(vectors), len(keys))
	}
	var before []byte
	for _, vector := range vectors {
		key, ok := keys[vector.js]
		if !ok {
			t.Errorf("no key for the vector %s", vector.js)
			continue
		}
		want := vector.raw
		got, err := key.Encode()
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: Encode() = %x, %v; want %x", vector.js, got, err, want)
		}
		decoded, err := protocol.DecodeKey(want)
		if err != nil {
			t.Errorf("%s: DecodeKey: %v", vector.js, err)
		}
		if diff := cmp.Diff(key, decoded, sameKey); diff != "" {
			t.Errorf("%s: DecodeKey (-want +got):\n%s", vector.js, diff)
		}
		if bytes.Compare(before, got) >= 0 {
			t.Errorf("%s does not sort after the key before it", vector.js)
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

// Both are NaN to a program, and two keys to Deno 2.9.6, which stores 0/0 under the
// second one.
func TestBothNaNs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		f    float64
		want string
	}{
		"of Go":         {math.NaN(), "21fff8000000000000"},
		"negative":      {math.Copysign(math.NaN(), -1), "210007ffffffffffff"},
		"of JavaScript": {math.Float64frombits(0x7ff8 << 48), "21fff8000000000000"},
		"of 0/0":        {math.Float64frombits(0xfff8 << 48), "210007ffffffffffff"},
	} {
		got, err := protocol.Key{c.f}.Encode()
		if err != nil || hex.EncodeToString(got) != c.want {
			t.Errorf("%s: Encode() = %x, %v; want %s", name, got, err, c.want)
		}
		decoded, err := protocol.DecodeKey(got)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if again, err := decoded.Encode(); err != nil || !bytes.Equal(again, got) {
			t.Errorf("%s: decoded and encoded again it is %x, %v", name, again, err)
		}
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
		"NaN with a payload":           "21fff8000000000001",
		"negative NaN with a payload":  "210007fffffffffffe",
		"NaN that signals":             "21fff4000000000000",
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
