package sqlitebackend_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
	"github.com/kvconnect/kvconnect/sqlitebackend"
	"google.golang.org/protobuf/proto"
)

// pointReads reads single keys, the way Deno does.
func pointReads(backend *sqlitebackend.Backend) operation {
	reads := make([]protocol.SnapshotRead, benchKeys)
	for i := range reads {
		key := benchKey(i)
		reads[i] = oneRange(key, key+"\x00", 1)
	}
	return func(ctx context.Context, n int) error {
		return readEntries(ctx, backend, reads[n*benchStride%len(reads)], 1)
	}
}

// lists reads the given number of entries from a key on.
func lists(backend *sqlitebackend.Backend, entries int) operation {
	reads := make([]protocol.SnapshotRead, benchKeys-entries)
	for i := range reads {
		reads[i] = oneRange(benchKey(i), "\xff", entries)
	}
	return func(ctx context.Context, n int) error {
		return readEntries(ctx, backend, reads[n*benchStride%len(reads)], entries)
	}
}

func oneRange(start, end string, limit int) protocol.SnapshotRead {
	return protocol.SnapshotRead{Ranges: []protocol.ReadRange{{Start: []byte(start), End: []byte(end), Limit: limit}}}
}

// readEntries fails if the read does not give as many entries.
func readEntries(ctx context.Context, backend *sqlitebackend.Backend, read protocol.SnapshotRead, want int) error {
	output, err := backend.SnapshotRead(ctx, read)
	if err != nil {
		return err
	}
	if got := len(output.Ranges[0]); got != want {
		return fmt.Errorf("%d entries, want %d", got, want)
	}
	return nil
}

// requests reads from the bytes of a request to the bytes of the reply: what is left
// of serving one without HTTP.
func requests(tb testing.TB, backend *sqlitebackend.Backend, entries int) operation {
	tb.Helper()
	bodies := make([][]byte, benchKeys-entries)
	for i := range bodies {
		end := "\xff"
		if entries == 1 {
			end = benchKey(i) + "\x00"
		}
		bodies[i] = readBody(tb, benchKey(i), end, entries)
	}
	return func(ctx context.Context, n int) error {
		return serveRead(ctx, backend, bodies[n*benchStride%len(bodies)], entries*benchValueBytes)
	}
}

func readBody(tb testing.TB, start, end string, limit int) []byte {
	tb.Helper()
	body, err := proto.Marshal(&datapath.SnapshotRead{Ranges: []*datapath.ReadRange{{
		Start: []byte(start), End: []byte(end), Limit: int32(limit),
	}}})
	if err != nil {
		tb.Fatal(err)
	}
	return body
}

// serveRead fails if the reply is not longer than the values that are to be in it.
func serveRead(ctx context.Context, backend *sqlitebackend.Backend, body []byte, valueBytes int) error {
	read, err := protocol.DecodeSnapshotRead(body)
	if err != nil {
		return err
	}
	output, err := backend.SnapshotRead(ctx, read)
	if err != nil {
		return err
	}
	reply, err := output.Encode()
	if err == nil && len(reply) <= valueBytes {
		err = fmt.Errorf("a reply of %d bytes, want more than %d", len(reply), valueBytes)
	}
	return err
}

func BenchmarkPointRead(b *testing.B) { benchmark(b, pointReads(openFilled(b))) }

func BenchmarkList(b *testing.B) {
	backend := openFilled(b)
	for _, entries := range []int{10, 100, 500} {
		b.Run(fmt.Sprintf("entries=%d", entries), func(b *testing.B) { benchmark(b, lists(backend, entries)) })
	}
}

// BenchmarkRequest goes from the bytes of a request to those of the reply.
func BenchmarkRequest(b *testing.B) {
	backend := openFilled(b)
	for _, entries := range []int{1, 100, 500} {
		b.Run(fmt.Sprintf("entries=%d", entries), func(b *testing.B) { benchmark(b, requests(b, backend, entries)) })
	}
}
