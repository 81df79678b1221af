package v8value_test

import "testing"

// What decodes means the same after it was encoded; everything else is an error.
func FuzzDecode(f *testing.F) {
	for _, stored := range goldens(f) {
		if len(stored) < 4<<10 {
			f.Add(stored)
		}
	}
	for _, data := range [][]byte{nested(3), []byte("\xff\x0fo\"\x01a\\\x0a\x02hi{\x01")} {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		checkRoundTrip(t, "input", data)
	})
}
