package v8value_test

import (
	"encoding/hex"
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/kvconnect/kvconnect/protocol/v8value"
)

func unhex(t *testing.T, digits string) []byte {
	t.Helper()
	data, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// same compares values; a NaN is the same as another, and 0 is not -0.
var same = cmp.Options{
	cmp.Comparer(func(a, b *big.Int) bool { return a.Cmp(b) == 0 }),
	cmp.Comparer(func(a, b float64) bool {
		return math.Float64bits(a) == math.Float64bits(b) || math.IsNaN(a) && math.IsNaN(b)
	}),
}

func pointer[T any](value T) *T { return &value }

func properties(keysAndValues ...any) []v8value.Property {
	var list []v8value.Property
	for i := 0; i < len(keysAndValues); i += 2 {
		key, _ := keysAndValues[i].(string)
		list = append(list, v8value.Property{Key: key, Value: keysAndValues[i+1]})
	}
	return list
}

func TestDecode(t *testing.T) {
	t.Parallel()
	buffer := &v8value.ArrayBuffer{Data: []byte{1, 2, 3, 4}}
	growing := &v8value.ArrayBuffer{Data: make([]byte, 4), Resizable: true, MaxByteLength: 16}
	for name, c := range map[string]struct {
		data string
		want any
	}{
		"undefined":                {"ff0f 5f", v8value.Undefined{}},
		"null":                     {"ff0f 30", v8value.Null{}},
		"true":                     {"ff0f 54", true},
		"false":                    {"ff0f 46", false},
		"int32":                    {"ff0f 49 03", -2.0},
		"smallest int32":           {"ff0f 49 ffffffff0f", -2147483648.0},
		"uint32":                   {"ff0f 55 ffffffff0f", 4294967295.0},
		"double":                   {"ff0f 4e 000000000000f83f", 1.5},
		"minus zero":               {"ff0f 4e 0000000000000080", math.Copysign(0, -1)},
		"NaN with a payload":       {"ff0f 4e 010000000000f87f", math.NaN()},
		"bigint":                   {"ff0f 5a 11 0100000000000000", big.NewInt(-1)},
		"bigint in one byte":       {"ff0f 5a 02 ff", big.NewInt(255)},
		"bigint 0":                 {"ff0f 5a 00", new(big.Int)},
		"bigint 0 with a digit":    {"ff0f 5a 03 00", new(big.Int)},
		"latin1":                   {"ff0f 22 02 61e9", "aé"},
		"UTF-16":                   {"ff0f 63 06 3dd8 00de 2d4e", "😀中"},
		"UTF-16, padded":           {"ff0f 00 63 02 2d4e", "中"},
		"first pair there is":      {"ff0f 63 04 00d8 00dc", "\U00010000"},
		"last pair there is":       {"ff0f 63 04 ffdb ffdf", "\U0010ffff"},
		"two second halves":        {"ff0f 63 04 00dc 00dc", "\xed\xb0\x80\xed\xb0\x80"},
		"first half alone":         {"ff0f 63 04 3dd8 6100", "\xed\xa0\xbda"},
		"second half alone":        {"ff0f 63 02 00de", "\xed\xb8\x80"},
		"halves the wrong way":     {"ff0f 63 04 00de 3dd8", "\xed\xb8\x80\xed\xa0\xbd"},
		"UTF-8":                    {"ff0f 53 03 61c3a9", "aé"},
		"UTF-8 that is broken":     {"ff0f 53 06 61e282 ff c3a9", "a\ufffd\ufffdé"},
		"UTF-8 with U+FFFD":        {"ff0f 53 04 efbfbd ff", "\ufffd\ufffd"},
		"UTF-8 that is cut short":  {"ff0f 53 03 f09f98", "\ufffd"},
		"Date":                     {"ff0f 44 00b08756febc7842", &v8value.Date{UnixMs: 1700000000123}},
		"Date with a fraction":     {"ff0f 44 000000000000f83f", &v8value.Date{UnixMs: 1}},
		"Date of minus zero":       {"ff0f 44 0000000000000080", &v8value.Date{}},
		"Date too far away":        {"ff0f 44 ffffffffffffef7f", &v8value.Date{UnixMs: math.NaN()}},
		"RegExp":                   {"ff0f 52 22 03 612b62 bf01", &v8value.RegExp{Source: "a+b", Flags: 0xbf}},
		"boxed true":               {"ff0f 79", &v8value.Boxed{Primitive: true}},
		"boxed false":              {"ff0f 78", &v8value.Boxed{Primitive: false}},
		"boxed number":             {"ff0f 6e 000000000000f83f", &v8value.Boxed{Primitive: 1.5}},
		"boxed bigint":             {"ff0f 7a 02 05", &v8value.Boxed{Primitive: big.NewInt(5)}},
		"boxed string":             {"ff0f 73 22 01 73", &v8value.Boxed{Primitive: "s"}},
		"boxed string in UTF-8":    {"ff0f 73 53 01 73", &v8value.Boxed{Primitive: "s"}},
		"object":                   {"ff0f 6f 22 01 61 49 02 22 00 5f 7b 02", &v8value.Object{Properties: properties("a", 1.0, "", v8value.Undefined{})}},
		"keys that are numbers":    {"ff0f 6f 49 02 30 55 ffffffff0f 30 4e 000000000000f83f 30 7b 03", &v8value.Object{Properties: properties("1", v8value.Null{}, "4294967295", v8value.Null{}, "1.5", v8value.Null{})}},
		"dense array":              {"ff0f 41 03 49 02 2d 5f 24 00 03", &v8value.Array{Length: 3, Elements: []any{1.0, v8value.Hole{}, v8value.Undefined{}}}},
		"dense array with a name":  {"ff0f 41 01 30 22 01 78 54 24 01 01", &v8value.Array{Length: 1, Elements: []any{v8value.Null{}}, Properties: properties("x", true)}},
		"property for a hole":      {"ff0f 41 01 2d 49 00 54 24 01 01", &v8value.Array{Length: 1, Elements: []any{v8value.Hole{}}, Properties: properties("0", true)}},
		"sparse array":             {"ff0f 61 feffffff0f 49 02 54 22 01 78 46 40 02 feffffff0f", &v8value.Array{Length: 4294967294, Properties: properties("1", true, "x", false)}},
		"Map":                      {"ff0f 3b 30 54 49 02 46 3a 04", &v8value.Map{Entries: []v8value.MapEntry{{Key: v8value.Null{}, Value: true}, {Key: 1.0, Value: false}}}},
		"Set":                      {"ff0f 27 30 54 2c 02", &v8value.Set{Elements: []any{v8value.Null{}, true}}},
		"ArrayBuffer":              {"ff0f 42 04 01020304", buffer},
		"resizable ArrayBuffer":    {"ff0f 7e 04 10 00000000", growing},
		"Uint16Array":              {"ff0f 42 04 01020304 56 57 02 02 00", &v8value.View{Kind: v8value.Uint16Array, Buffer: buffer, ByteOffset: 2, ByteLength: 2}},
		"DataView":                 {"ff0f 42 04 01020304 56 3f 01 03 00", &v8value.View{Kind: v8value.DataView, Buffer: buffer, ByteOffset: 1, ByteLength: 3}},
		"view that tracks":         {"ff0f 7e 04 10 00000000 56 57 02 00 03", &v8value.View{Kind: v8value.Uint16Array, Buffer: growing, ByteOffset: 2, LengthTracking: true}},
		"view of version 13":       {"ff0d 42 04 01020304 56 42 00 04", &v8value.View{Kind: v8value.Uint8Array, Buffer: buffer, ByteLength: 4}},
		"version 13 with flags":    {"ff0d 7e 04 10 00000000 56 57 02 00 03", &v8value.View{Kind: v8value.Uint16Array, Buffer: growing, ByteOffset: 2, LengthTracking: true}},
		"view of version 14":       {"ff0e 7e 04 10 00000000 56 57 02 00 03", &v8value.View{Kind: v8value.Uint16Array, Buffer: growing, ByteOffset: 2, LengthTracking: true}},
		"buffer at its greatest":   {"ff0f 7e 01 01 05", &v8value.ArrayBuffer{Data: []byte{5}, Resizable: true, MaxByteLength: 1}},
		"Float16Array":             {"ff10 42 04 01020304 56 68 00 04 00", &v8value.View{Kind: v8value.Float16Array, Buffer: buffer, ByteLength: 4}},
		"Error of nothing":         {"ff0f 72 2e", &v8value.Error{Class: v8value.ClassError}},
		"Error, cause before":      {"ff0f 72 52 6d 22 01 6d 63 30 73 22 01 73 2e", &v8value.Error{Class: v8value.ClassRangeError, Message: pointer("m"), Stack: pointer("s"), Cause: v8value.Null{}}},
		"Error, cause last":        {"ff10 72 54 6d 22 01 6d 73 22 01 73 63 30 2e", &v8value.Error{Class: v8value.ClassTypeError, Message: pointer("m"), Stack: pointer("s"), Cause: v8value.Null{}}},
		"object of Deno":           {"ff10 5c ffffffff0f 6f 7b 00", &v8value.Host{Value: &v8value.Object{}}},
		"number of objects before": {"ff0f 3f 05 49 02", 1.0},
		"something behind":         {"ff0f 49 02 30", 1.0},
		"padding":                  {"ff0f 00 00 49 02", 1.0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := v8value.Decode(unhex(t, c.data))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got, same); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			checkRoundTrip(t, name, unhex(t, c.data))
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		data string
		want error
	}{
		"nothing":                                {"", v8value.ErrInvalid},
		"no version":                             {"49 02", v8value.ErrInvalid},
		"version only":                           {"ff0f", v8value.ErrInvalid},
		"version 12":                             {"ff0c 49 02", v8value.ErrVersion},
		"version 17":                             {"ff11 49 02", v8value.ErrVersion},
		"unknown tag":                            {"ff0f 01", v8value.ErrInvalid},
		"a hole by itself":                       {"ff0f 2d", v8value.ErrInvalid},
		"a view by itself":                       {"ff0f 56 42 00 00 00", v8value.ErrInvalid},
		"UTF-16 of an odd length":                {"ff0f 63 01 61", v8value.ErrInvalid},
		"a string that is too short":             {"ff0f 22 05 61", v8value.ErrInvalid},
		"a string of 4 GiB":                      {"ff0f 22 ffffffff0f 61", v8value.ErrInvalid},
		"a bigint of minus nothing":              {"ff0f 5a 01", v8value.ErrInvalid},
		"a bigint of 1 GiB":                      {"ff0f 5a feffffff0f 61", v8value.ErrInvalid},
		"a reference to nothing":                 {"ff0f 5e 00", v8value.ErrInvalid},
		"a reference to what comes later":        {"ff0f 41 02 5e 01 6f 7b 00 24 00 02", v8value.ErrInvalid},
		"a property that comes twice":            {"ff0f 6f 22 01 61 30 22 01 61 30 7b 02", v8value.ErrInvalid},
		"the same key in two forms":              {"ff0f 6f 22 01 31 30 49 02 30 7b 02", v8value.ErrInvalid},
		"a key that is an object":                {"ff0f 6f 6f 7b 00 30 7b 01", v8value.ErrInvalid},
		"a wrong number of properties":           {"ff0f 6f 22 01 61 30 7b 02", v8value.ErrInvalid},
		"an array of 4 billion elements":         {"ff0f 41 ffffffff0f 30", v8value.ErrInvalid},
		"a wrong number of elements":             {"ff0f 41 01 30 24 00 02", v8value.ErrInvalid},
		"an element that comes twice":            {"ff0f 41 01 30 49 00 30 24 01 01", v8value.ErrInvalid},
		"an element beyond the length":           {"ff0f 41 01 30 49 02 30 24 01 01", v8value.ErrInvalid},
		"the length of an array as a property":   {"ff0f 41 01 49 02 22 06 6c656e677468 49 02 24 01 01", v8value.ErrInvalid},
		"a wrong length of a sparse array":       {"ff0f 61 05 40 00 04", v8value.ErrInvalid},
		"a map of half an entry":                 {"ff0f 3b 30 3a 01", v8value.ErrInvalid},
		"a wrong number of entries":              {"ff0f 3b 30 30 3a 01", v8value.ErrInvalid},
		"a wrong number of set elements":         {"ff0f 27 30 2c 02", v8value.ErrInvalid},
		"a buffer of 4 GiB":                      {"ff0f 42 ffffffff0f 00", v8value.ErrInvalid},
		"a buffer longer than it can be":         {"ff0f 7e 02 01 0000", v8value.ErrInvalid},
		"a view of an unknown kind":              {"ff0f 42 00 56 41 00 00 00", v8value.ErrInvalid},
		"a view that begins beyond its buffer":   {"ff0f 42 00 56 42 01 00 00", v8value.ErrInvalid},
		"a view that ends beyond its buffer":     {"ff0f 42 01 00 56 42 00 02 00", v8value.ErrInvalid},
		"a view whose ends overflow":             {"ff0f 42 01 00 56 42 01 ffffffff0f 00", v8value.ErrInvalid},
		"a view that begins within an element":   {"ff0f 42 04 00000000 56 57 01 02 00", v8value.ErrInvalid},
		"a view that ends within an element":     {"ff0f 42 04 00000000 56 57 00 03 00", v8value.ErrInvalid},
		"a view that tracks a fixed length":      {"ff0f 42 00 56 42 00 00 01", v8value.ErrInvalid},
		"a view whose flags are not its own":     {"ff0f 42 00 56 42 00 00 02", v8value.ErrInvalid},
		"a view that knows of no growing":        {"ff0f 7e 00 01 56 42 00 00 00", v8value.ErrInvalid},
		"version 13 without flags that it needs": {"ff0d 7e 04 10 00000000 56 57 02 00 30", v8value.ErrInvalid},
		"an error of an unknown part":            {"ff0f 72 78 2e", v8value.ErrInvalid},
		"an error whose message is a number":     {"ff0f 72 6d 49 02 2e", v8value.ErrInvalid},
		"a boxed string that is a number":        {"ff0f 73 49 02", v8value.ErrInvalid},
		"unknown flags of a RegExp":              {"ff0f 52 22 00 40", v8value.ErrInvalid},
		"flags of a RegExp that exclude others":  {"ff0f 52 22 00 9002", v8value.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			value, err := v8value.Decode(unhex(t, c.data))
			if !errors.Is(err, c.want) {
				t.Errorf("decoded as %v, %v, want %v", value, err, c.want)
			}
		})
	}
}

// An object that is met twice is one object, and may lead back to itself.
func TestReferences(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		data string
		same func(value any) (a, b any)
	}{
		"an object in itself": {"ff0f 6f 22 01 61 5e 00 7b 01", func(value any) (any, any) {
			object, _ := value.(*v8value.Object)
			return object, object.Properties[0].Value
		}},
		"an error that is its cause": {"ff10 72 63 5e 00 2e", func(value any) (any, any) {
			object, _ := value.(*v8value.Error)
			return object, object.Cause
		}},
		"a date twice": {"ff0f 41 02 44 0000000000000000 5e 01 24 00 02", elements},
		"a view twice, numbered after its buffer": {"ff0f 41 02 42 00 56 42 00 00 00 5e 02 24 00 02", elements},
		"an object of Deno twice":                 {"ff0f 41 02 5c ffffffff0f 6f 7b 00 5e 01 24 00 02", elements},
		"two views of one buffer": {"ff0f 41 02 42 00 56 42 00 00 00 5e 01 56 43 00 00 00 24 00 02", func(value any) (any, any) {
			a, b := elements(value)
			first, _ := a.(*v8value.View)
			second, _ := b.(*v8value.View)
			return first.Buffer, second.Buffer
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			value, err := v8value.Decode(unhex(t, c.data))
			if err != nil {
				t.Fatal(err)
			}
			if a, b := c.same(value); a != b || a == nil {
				t.Errorf("%p and %p are not the same object", a, b)
			}
			checkRoundTrip(t, name, unhex(t, c.data))
		})
	}
}

func elements(value any) (first, second any) {
	array, _ := value.(*v8value.Array)
	return array.Elements[0], array.Elements[1]
}

// What only the runtime that wrote a value can read is kept as it is.
func TestOpaque(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]string{
		"a Buffer of Node in an object":  "ff0f 6f 22 01 61 5c 0a 02 6869 7b 01",
		"a shared buffer":                "ff0f 75 00",
		"a transferred buffer":           "ff0f 74 00",
		"an object of several isolates":  "ff0f 70 00",
		"a module of WebAssembly":        "ff0f 77 00",
		"memory of WebAssembly, nested":  "ff10 41 01 6d 00 24 00 01",
		"an object before it is opaque":  "ff0e 41 02 6f 7b 00 5c 01 00",
		"something else that comes next": "ff0d 5c 05 01",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			value, err := v8value.Decode(unhex(t, data))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&v8value.Opaque{Data: unhex(t, data)}, value); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if encoded, err := v8value.Encode(value); err != nil || hex.EncodeToString(encoded) != strings.ReplaceAll(data, " ", "") {
				t.Errorf("encoded as %x, %v", encoded, err)
			}
		})
	}
}
