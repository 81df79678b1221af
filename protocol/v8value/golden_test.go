package v8value_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/kvconnect/kvconnect/protocol/v8value"
)

// golden is a value as real Deno stored it.
type golden struct {
	JS     string `json:"js"`
	Stored string `json:"stored"`
}

func goldens(tb testing.TB) map[string][]byte {
	tb.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "values.json"))
	if err != nil {
		tb.Fatal(err)
	}
	var file struct {
		Values []golden `json:"values"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		tb.Fatal(err)
	}
	values := make(map[string][]byte)
	for _, value := range file.Values {
		if values[value.JS], err = hex.DecodeString(value.Stored); err != nil {
			tb.Fatal(err)
		}
	}
	return values
}

const headerBytes = 2

// What Deno stores is written again in the same bytes, but for the version.
func TestGoldenValues(t *testing.T) {
	t.Parallel()
	for js, stored := range goldens(t) {
		value, err := v8value.Decode(stored)
		if err != nil {
			t.Errorf("%s: decode %x: %v", js, stored, err)
			continue
		}
		encoded, err := v8value.Encode(value)
		if err != nil {
			t.Errorf("%s: encode: %v", js, err)
			continue
		}
		want := append([]byte{0xff, v8value.Version}, stored[headerBytes:]...)
		if !bytes.Equal(encoded, want) {
			t.Errorf("%s: encoded as\n%x, want\n%x", js, encoded, want)
		}
	}
}

// A value that was cut short is an error, wherever that happened.
func TestTruncatedGoldenValues(t *testing.T) {
	t.Parallel()
	for js, stored := range goldens(t) {
		step := max(1, len(stored)/200)
		for n := 0; n < len(stored); n += step {
			value, err := v8value.Decode(stored[:n])
			if _, isBuffer := value.(*v8value.ArrayBuffer); isBuffer && stored[n] == 'V' {
				continue // a view is a whole buffer and something behind it
			}
			if !errors.Is(err, v8value.ErrInvalid) {
				t.Errorf("%s: the first %d of %d bytes gave %v, %v, want ErrInvalid", js, n, len(stored), value, err)
			}
		}
	}
}

// A changed byte may make another value or none, but nothing worse.
func TestDamagedGoldenValues(t *testing.T) {
	t.Parallel()
	for js, stored := range goldens(t) {
		step := max(1, len(stored)/50)
		for i := headerBytes; i < len(stored); i += step {
			for _, change := range []byte{0x01, 0x20, 0x80, 0xff} {
				damaged := bytes.Clone(stored)
				damaged[i] ^= change
				checkRoundTrip(t, js, damaged)
			}
		}
	}
}

// checkRoundTrip encodes what the bytes decode to, if anything, and demands that the
// result means the same.
func checkRoundTrip(t *testing.T, name string, data []byte) {
	t.Helper()
	value, err := v8value.Decode(data)
	if err != nil {
		return
	}
	first, err := v8value.Encode(value)
	if err != nil {
		t.Fatalf("%s: %x was decoded but cannot be encoded: %v", name, data, err)
	}
	again, err := v8value.Decode(first)
	if err != nil {
		t.Fatalf("%s: %x was encoded as %x, which cannot be decoded: %v", name, data, first, err)
	}
	second, err := v8value.Encode(again)
	if err != nil || !bytes.Equal(first, second) {
		t.Fatalf("%s: %x was encoded as %x, and then as %x, %v", name, data, first, second, err)
	}
}
