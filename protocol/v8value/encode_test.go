package v8value_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/kvconnect/kvconnect/protocol/v8value"
)

// The expected bytes are those of V8.
func TestEncode(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		value any
		want  string
	}{
		"largest int32":        {2147483647.0, "49 feffffff0f"},
		"above it":             {2147483648.0, "4e 000000000000e041"},
		"smallest int32":       {-2147483648.0, "49 ffffffff0f"},
		"below it":             {-2147483649.0, "4e 000020000000e0c1"},
		"minus zero":           {math.Copysign(0, -1), "4e 0000000000000080"},
		"NaN":                  {math.NaN(), "4e 000000000000f87f"},
		"infinity":             {math.Inf(1), "4e 000000000000f07f"},
		"bigint 0":             {new(big.Int), "5a 00"},
		"bigint":               {big.NewInt(-1), "5a 11 0100000000000000"},
		"bigint of 65 bits":    {new(big.Int).Lsh(big.NewInt(1), 64), "5a 20 0000000000000000 0100000000000000"},
		"empty text":           {"", "22 00"},
		"latin1":               {"aÿ", "22 02 61ff"},
		"UTF-16":               {"Ā", "63 02 0001"},
		"UTF-16, padded":       {&v8value.Boxed{Primitive: "Ā"}, "73 00 63 02 0001"},
		"a pair":               {"😀", "63 04 3dd8 00de"},
		"halves the wrong way": {"\xed\xb8\x80\xed\xa0\xbd", "63 04 00de 3dd8"},
		"half a pair":          {"\xed\xa0\xbd", "63 02 3dd8"},
		"Date":                 {&v8value.Date{UnixMs: 1.5}, "44 000000000000f03f"},
		"invalid Date":         {&v8value.Date{UnixMs: 8.64e15 + 1}, "44 000000000000f87f"},
		"object":               {&v8value.Object{Properties: properties("10", true, "a", true)}, "6f 49 14 54 22 01 61 54 7b 02"},
		"great index":          {&v8value.Object{Properties: properties("4294967294", true)}, "6f 4e 0000c0ffffffef41 54 7b 01"},
		"no index":             {&v8value.Object{Properties: properties("4294967295", true)}, "6f 22 0a 34323934393637323935 54 7b 01"},
		"no index either":      {&v8value.Object{Properties: properties("01", true, "+1", false)}, "6f 22 02 3031 54 22 02 2b31 46 7b 02"},
		"empty array":          {&v8value.Array{}, "41 00 24 00 00"},
		"sparse array":         {&v8value.Array{Length: 5}, "61 05 40 00 05"},
		"error of everything":  {&v8value.Error{Class: v8value.ClassURIError, Message: pointer("m"), Stack: pointer("s"), Cause: v8value.Undefined{}}, "72 55 6d 22 01 6d 73 22 01 73 63 5f 2e"},
		"buffer at its most":   {&v8value.ArrayBuffer{Data: []byte{5}, Resizable: true, MaxByteLength: 1}, "7e 01 01 05"},
		"object of Deno":       {&v8value.Host{Value: v8value.Null{}}, "5c ffffffff0f 30"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := v8value.Encode(c.value)
			if want := unhex(t, "ff0f"+c.want); err != nil || !bytes.Equal(got, want) {
				t.Errorf("encoded as %x, %v, want %x", got, err, want)
			}
		})
	}
}

func TestEncodeRefuses(t *testing.T) {
	t.Parallel()
	buffer := &v8value.ArrayBuffer{Data: make([]byte, 4)}
	for name, value := range map[string]any{
		"nothing":                     nil,
		"an int":                      1,
		"a slice":                     []byte{1},
		"a map":                       map[string]any{},
		"an object by value":          v8value.Object{},
		"a hole by itself":            v8value.Hole{},
		"no object":                   (*v8value.Object)(nil),
		"no view":                     (*v8value.View)(nil),
		"no opaque value":             (*v8value.Opaque)(nil),
		"no bigint":                   (*big.Int)(nil),
		"a boxed nothing":             &v8value.Boxed{},
		"a boxed object":              &v8value.Boxed{Primitive: buffer},
		"a boxed bigint that is none": &v8value.Boxed{Primitive: (*big.Int)(nil)},
		"a property without a value":  &v8value.Object{Properties: properties("a", nil)},
		"a property that comes twice": &v8value.Object{Properties: properties("a", true, "a", true)},
		"one of many properties that comes twice": &v8value.Object{
			Properties: append(properties("", true), bytesAsProperties(strings.Repeat("abcdefghijklmnopqrst", 2))...),
		},
		"an array of a wrong length":        &v8value.Array{Length: 2, Elements: []any{true}},
		"an element twice":                  &v8value.Array{Length: 1, Elements: []any{true}, Properties: properties("0", true)},
		"an element beyond the length":      &v8value.Array{Length: 1, Properties: properties("1", true)},
		"a set of nothing":                  &v8value.Set{Elements: []any{nil}},
		"a map of nothing":                  &v8value.Map{Entries: []v8value.MapEntry{{Key: true}}},
		"an error of another class":         &v8value.Error{Class: "OtherError"},
		"an error of no class":              &v8value.Error{},
		"text that is no UTF-8":             "\xff",
		"a pair in halves":                  "\xed\xa0\xbd\xed\xb8\x80",
		"the length of an array":            &v8value.Array{Properties: properties("length", 1.0)},
		"text that ends in a character":     "a\xe2\x82",
		"text that ends in a surrogate":     "a\xed\xa0",
		"the first byte of a surrogate":     "\xed",
		"a message that is no UTF-8":        &v8value.Error{Class: v8value.ClassError, Message: pointer("\xff")},
		"a key that is no UTF-8":            &v8value.Object{Properties: properties("\xff", true)},
		"flags that exclude others":         &v8value.RegExp{Flags: v8value.FlagUnicode | v8value.FlagUnicodeSets},
		"a buffer longer than it can be":    &v8value.ArrayBuffer{Data: []byte{1}, Resizable: true},
		"a view without a buffer":           &v8value.View{Kind: v8value.Int8Array},
		"a view of no kind":                 &v8value.View{Buffer: buffer},
		"a view beyond its buffer":          &v8value.View{Kind: v8value.Int8Array, Buffer: buffer, ByteLength: 5},
		"a view within an element":          &v8value.View{Kind: v8value.Int16Array, Buffer: buffer, ByteOffset: 1},
		"a view that tracks a fixed length": &v8value.View{Kind: v8value.Int8Array, Buffer: buffer, LengthTracking: true},
		"an opaque value in another":        &v8value.Set{Elements: []any{&v8value.Opaque{}}},
		"an object of Deno from nothing":    &v8value.Host{},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := v8value.Encode(value); !errors.Is(err, v8value.ErrUnencodable) {
				t.Errorf("encoded as %x, %v, want ErrUnencodable", got, err)
			}
		})
	}
}

// bytesAsProperties gives a property for each byte.
func bytesAsProperties(keys string) []v8value.Property {
	var list []v8value.Property
	for _, key := range strings.Split(keys, "") {
		list = append(list, v8value.Property{Key: key, Value: true})
	}
	return list
}

// The forms in which denokv stores the result of a sum.
func TestEncodeForSums(t *testing.T) {
	t.Parallel()
	for f, want := range map[float64]string{
		0: "ff0f4e0000000000000000", 1: "ff0f4e000000000000f03f", -0.5: "ff0f4e000000000000e0bf",
	} {
		if got := hex.EncodeToString(v8value.EncodeDouble(f)); got != want {
			t.Errorf("%v is encoded as %s, want %s", f, got, want)
		}
	}
	for n, want := range map[int64]string{0: "ff0f5a0200", 1: "ff0f5a0201", 255: "ff0f5a02ff", -256: "ff0f5a050001"} {
		got, err := v8value.EncodeBigInt(big.NewInt(n))
		if err != nil || hex.EncodeToString(got) != want {
			t.Errorf("%d is encoded as %x, %v, want %s", n, got, err, want)
		}
	}
}

func TestEncodeBigIntRefusesNil(t *testing.T) {
	t.Parallel()
	if got, err := v8value.EncodeBigInt(nil); !errors.Is(err, v8value.ErrUnencodable) {
		t.Errorf("encoded as %x, %v, want ErrUnencodable", got, err)
	}
}

// Numbers as property keys have the text that JavaScript gives them.
func TestNumbersAsKeys(t *testing.T) {
	t.Parallel()
	for want, f := range map[string]float64{
		"0": 0, "-1": -1, "1.5": 1.5, "-0.1": -0.1, "4294967295": 4294967295, "9007199254740991": 1<<53 - 1,
		"100000000000000000000": 1e20, "1e+21": 1e21, "1.2345e+25": 1.2345e25, "0.000001": 1e-6, "1e-7": 1e-7,
		"-1.5e-9": -1.5e-9, "5e-324": math.SmallestNonzeroFloat64, "1.7976931348623157e+308": math.MaxFloat64,
		"NaN": math.NaN(), "Infinity": math.Inf(1), "-Infinity": math.Inf(-1), "123456789.125": 123456789.125,
	} {
		data := append([]byte("\xff\x0fo"), v8value.EncodeDouble(f)[2:]...)
		value, err := v8value.Decode(append(data, '0', '{', 1))
		if err != nil {
			t.Errorf("%v: %v", f, err)
			continue
		}
		if object, _ := value.(*v8value.Object); object.Properties[0].Key != want {
			t.Errorf("the key %v is %q, want %q", f, object.Properties[0].Key, want)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	all := v8value.FlagGlobal | v8value.FlagIgnoreCase | v8value.FlagMultiline | v8value.FlagSticky |
		v8value.FlagDotAll | v8value.FlagHasIndices | v8value.FlagUnicodeSets
	if got := all.String(); got != "dgimsvy" {
		t.Errorf("the flags are %q", got)
	}
	if got := v8value.BigUint64Array.String() + v8value.ViewKind(0).String(); got != "BigUint64Arrayunknown" {
		t.Errorf("the names are %q", got)
	}
}
