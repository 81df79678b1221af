package v8value_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/kvconnect/kvconnect/protocol/v8value"
)

const inputBytes = 64 << 10

// repeated gives version 15 and then the unit up to inputBytes.
func repeated(prefix, unit string) []byte {
	return []byte("\xff\x0f" + prefix + strings.Repeat(unit, (inputBytes-len(prefix))/len(unit)))
}

// nested gives sets in sets around null, depth deep.
func nested(depth int) []byte {
	return []byte("\xff\x0f" + strings.Repeat("'", depth) + "0" + strings.Repeat(",\x01", depth))
}

func TestDepth(t *testing.T) {
	t.Parallel()
	value, err := v8value.Decode(nested(v8value.MaxDepth))
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := v8value.Encode(value)
	if err != nil || !bytes.Equal(encoded, nested(v8value.MaxDepth)) {
		t.Errorf("the deepest value was encoded as %d bytes, %v", len(encoded), err)
	}
	if _, err := v8value.Encode(&v8value.Set{Elements: []any{value}}); !errors.Is(err, v8value.ErrTooDeep) {
		t.Errorf("encoding one level more: %v, want ErrTooDeep", err)
	}
	if _, err := v8value.Decode(nested(v8value.MaxDepth + 1)); !errors.Is(err, v8value.ErrTooDeep) {
		t.Errorf("decoding one level more: %v, want ErrTooDeep", err)
	}
}

// hostile is input that tries to make the decoder take more than it gives.
func hostile() map[string][]byte {
	inputs := map[string][]byte{
		"sets in sets":                  repeated("", "'"),
		"maps in maps":                  repeated("", ";0"),
		"objects in objects":            repeated("", "o\"\x00"),
		"causes of errors":              repeated("", "rc"),
		"objects of Deno":               repeated("", "\\\xff\xff\xff\xff\x0f"),
		"one-byte objects":              repeated("'", "y"),
		"empty objects":                 repeated("'", "o{\x00"),
		"empty sets":                    repeated("'", "',\x00"),
		"references to one object":      repeated("';:\x00", "^\x00"),
		"views of one buffer":           repeated("'B\x01\x00", "^\x01VB\x00\x01\x00"),
		"holes":                         repeated("A\xf0\xff\x03", "-"),
		"padding":                       repeated("", "\x00"),
		"counts of objects":             repeated("", "?\x00"),
		"sparse arrays of great length": repeated("'", "a\xfe\xff\xff\xff\x0f@\x00\xfe\xff\xff\xff\x0f"),
	}
	// Each array claims to have as many elements as there are bytes behind it.
	var arrays []byte
	for len(arrays) < inputBytes-4 {
		arrays = append(arrays, 'A')
		arrays = binary.AppendUvarint(arrays, uint64(inputBytes-len(arrays)-8))
	}
	inputs["arrays that claim all there is"] = append([]byte("\xff\x0f"), arrays...)

	var distinct bytes.Buffer
	distinct.WriteString("\xff\x0fo")
	for n := uint32(0); distinct.Len() < inputBytes; n++ {
		distinct.Write(append(binary.AppendUvarint([]byte{'U'}, uint64(n)), '0'))
	}
	inputs["distinct properties"] = distinct.Bytes()
	return inputs
}

// Whatever the input, decoding allocates a bounded multiple of it. Not in parallel:
// it counts what the whole process allocates.
func TestMemoryIsBounded(t *testing.T) { //nolint:paralleltest // see above
	const maxFactor, constantBytes = 200, 1 << 20
	for name, data := range hostile() {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := v8value.Decode(data)
		runtime.ReadMemStats(&after)
		allocated := after.TotalAlloc - before.TotalAlloc
		if allocated > maxFactor*uint64(len(data))+constantBytes {
			t.Errorf("%s: %d bytes took %d of memory (%v)", name, len(data), allocated, err)
		}
		t.Logf("%s: %.1f bytes allocated for each of the input", name, float64(allocated)/float64(len(data)))
	}
}

// Decoding twice as much takes about twice as long, which shows as a benchmark.
func BenchmarkHostile(b *testing.B) {
	for name, data := range hostile() {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				_, _ = v8value.Decode(data)
			}
		})
	}
}
