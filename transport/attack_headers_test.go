package transport_test

import (
	"bytes"
	"runtime"
	"testing"

	"golang.org/x/net/http2"
)

// A header without an end is not read without an end (CVE-2024-27316 and others).
func TestContinuationFlood(t *testing.T) { //nolint:paralleltest // see TestRapidReset
	field := literal("x-a", string(bytes.Repeat([]byte{'b'}, 100)))
	tests := map[string][]byte{
		"fields":              field,
		"many fields":         bytes.Repeat(field, 100),
		"empty frames":        nil,
		"bytes of one string": {'b'},
		"table sizes":         {0x20},
		"indexed fields":      bytes.Repeat([]byte{0x83}, 100),
	}
	for name, fragment := range tests { //nolint:paralleltest // see TestRapidReset
		t.Run(name, func(t *testing.T) {
			a := besiege(t)
			at := a.attacker(true)
			stream := at.newStream()
			begin := literal(":method", "POST")
			if name == "bytes of one string" {
				begin = []byte{0, 3, 'x', '-', 'a', 0x7f, 0x81, 0xff, 0x7f} // a value of 2 MB
			}
			at.must(at.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: begin}))
			cut := at.flood(manyFrames, func() { at.must(at.WriteContinuation(stream, false, fragment)) })
			at.wantStopped(cut)
			a.bounded(maxAttackGoes)
			_ = at.conn.Close()
			a.over()
		})
	}
}

// A field that the table holds and the header names thousands of times is a header of
// many megabytes in a few kilobytes.
func TestHPACKBomb(t *testing.T) { //nolint:paralleltest // see TestRapidReset
	const headers = 200
	for _, path := range echoPaths { //nolint:paralleltest // see TestRapidReset
		t.Run(path, func(t *testing.T) {
			a := besiege(t)
			at := a.attacker(true)
			at.must(at.WriteHeaders(http2.HeadersFrameParam{
				StreamID: at.newStream(), EndStream: true, EndHeaders: true,
				BlockFragment: at.encode(post(path, "x-bomb", string(bytes.Repeat([]byte{'b'}, 3500)))...),
			}))
			const newest = 0x80 | 62 // of the table
			bomb := append(at.encodeLiteral(post(path)...), bytes.Repeat([]byte{newest}, 16_000)...)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			at.flood(headers, func() { at.request(bomb) })
			a.bounded(maxAttackGoes)
			runtime.ReadMemStats(&after)
			if each := (after.TotalAlloc - before.TotalAlloc) / headers; each > 1<<20 {
				t.Errorf("each header has taken %d bytes", each)
			}
			_ = at.conn.Close()
			a.over()
		})
	}
}

// A client does not fill the memory with the names and values of its headers: the table of
// each connection is small, and what a request keeps ends with it.
func TestManyDifferentHeaders(t *testing.T) { //nolint:paralleltest // see TestRapidReset
	a := besiege(t)
	at := a.attacker(true)
	value := bytes.Repeat([]byte{'v'}, 2000)
	n := 0
	at.flood(1000, func() {
		n++
		copy(value, []byte{byte('a' + n%26), byte('a' + n/26%26), byte('a' + n/676%26), byte('a' + n/17576%26)})
		stream := at.newStream()
		at.must(at.WriteHeaders(http2.HeadersFrameParam{
			StreamID: stream, EndStream: true, EndHeaders: true,
			BlockFragment: at.encode(post("/v2/echo", "authorization", string(value))...),
		}))
	})
	a.bounded(maxAttackGoes)
	_ = at.conn.Close()
	a.over()
}
