package protocol_test

import (
	"fmt"
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
)

// Each benchmark runs as "direct", what the server does, and as "generated", the
// same by way of the generated messages: `benchstat -col /way` tells the ratio.

func benchmarkDecode[Request any](b *testing.B, name string, body []byte, decode, reference func([]byte) (Request, error)) {
	b.Helper()
	run := func(way string, decode func([]byte) (Request, error)) {
		b.Run(name+"/way="+way, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := decode(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("direct", decode)
	run("generated", reference)
}

func benchmarkEncode[Output any](b *testing.B, name string, output Output, encode, reference func(Output) ([]byte, error)) {
	b.Helper()
	run := func(way string, encode func(Output) ([]byte, error)) {
		b.Run(name+"/way="+way, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := encode(output); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("direct", encode)
	run("generated", reference)
}

func BenchmarkDecodeSnapshotRead(b *testing.B) {
	for _, ranges := range []int{1, 10} {
		benchmarkDecode(b, fmt.Sprintf("ranges=%d", ranges), marshal(b, snapshotReadOf(ranges)), protocol.DecodeSnapshotRead, referenceSnapshotRead)
	}
}

func BenchmarkDecodeAtomicWrite(b *testing.B) {
	for _, mutations := range []int{1, 100, 1000} {
		body := marshal(b, atomicWriteOf(mutations/10, mutations))
		benchmarkDecode(b, fmt.Sprintf("mutations=%d", mutations), body, protocol.DecodeAtomicWrite, referenceAtomicWrite)
	}
}

func BenchmarkDecodeWatch(b *testing.B) {
	for _, keys := range []int{1, 10} {
		benchmarkDecode(b, fmt.Sprintf("keys=%d", keys), marshal(b, watchOf(keys)), protocol.DecodeWatch, referenceWatch)
	}
}

func BenchmarkEncodeSnapshotReadOutput(b *testing.B) {
	for _, entries := range []int{1, 100, 500} {
		output := snapshotReadOutputOf(entries)
		benchmarkEncode(b, fmt.Sprintf("entries=%d", entries), output, protocol.SnapshotReadOutput.Encode, referenceSnapshotReadOutput)
	}
}

func BenchmarkEncodeAtomicWriteOutput(b *testing.B) {
	output := protocol.AtomicWriteOutput{Status: protocol.AtomicWriteCommitted, Versionstamp: protocol.VersionstampOf(1)}
	benchmarkEncode(b, "committed", output, protocol.AtomicWriteOutput.Encode, referenceAtomicWriteOutput)
}

func BenchmarkEncodeWatchFrame(b *testing.B) {
	for _, keys := range []int{1, 10} {
		output := watchOutputOf(keys)
		benchmarkEncode(b, fmt.Sprintf("keys=%d", keys), output, protocol.WatchOutput.EncodeFrame, referenceWatchFrame)
	}
}

// The requests and outputs below have keys of 20 bytes and values of 100.

func benchKey(i int) []byte { return fmt.Appendf(nil, "key%017d", i) }

func snapshotReadOf(ranges int) *datapath.SnapshotRead {
	var message datapath.SnapshotRead
	for i := range ranges {
		message.Ranges = append(message.Ranges, &datapath.ReadRange{Start: benchKey(i), End: append(benchKey(i), 0), Limit: 1})
	}
	return &message
}

func atomicWriteOf(checks, mutations int) *datapath.AtomicWrite {
	var message datapath.AtomicWrite
	for i := range checks {
		message.Checks = append(message.Checks, &datapath.Check{Key: benchKey(i), Versionstamp: filled(10)})
	}
	for i := range mutations {
		message.Mutations = append(message.Mutations, set(benchKey(i), filled(100)))
	}
	return &message
}

func watchOf(keys int) *datapath.Watch {
	var message datapath.Watch
	for i := range keys {
		message.Keys = append(message.Keys, &datapath.WatchKey{Key: benchKey(i)})
	}
	return &message
}

func entriesOf(n int) []protocol.Entry {
	entries := make([]protocol.Entry, n)
	for i := range entries {
		entries[i] = protocol.Entry{
			Key: benchKey(i), Value: protocol.Value{Data: filled(100), Encoding: protocol.EncodingV8},
			Versionstamp: protocol.VersionstampOf(int64(i)),
		}
	}
	return entries
}

func snapshotReadOutputOf(entries int) protocol.SnapshotReadOutput {
	return protocol.SnapshotReadOutput{Ranges: [][]protocol.Entry{entriesOf(entries)}}
}

func watchOutputOf(keys int) protocol.WatchOutput {
	var output protocol.WatchOutput
	for _, entry := range entriesOf(keys) {
		output.Entries = append(output.Entries, &entry)
	}
	return output
}
