package sqlitebackend_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// BenchmarkOpenWatch opens watches of one key of 20 bytes, and reports the memory that
// each holds, its key included, besides the time.
func BenchmarkOpenWatch(b *testing.B) {
	for name, keyOf := range map[string]func(i int) []byte{
		"one key":        func(int) []byte { return fmt.Appendf(nil, "%020d", 0) },
		"different keys": func(i int) []byte { return fmt.Appendf(nil, "%020d", i) },
	} {
		b.Run(name, func(b *testing.B) { benchmarkOpenWatch(b, keyOf) })
	}
}

// benchmarkOpenWatch measures rounds of as many watches as a large server has.
func benchmarkOpenWatch(b *testing.B, keyOf func(i int) []byte) {
	b.Helper()
	const watches = 100_000
	backend := openToMeasure(b, sqlitebackend.Options{Path: filepath.Join(b.TempDir(), "kv.sqlite")})
	held := uint64(0)
	watchers := make([]protocol.Watcher, watches)
	for b.Loop() {
		before := heapBytes()
		for i := range watchers {
			var err error
			if watchers[i], err = backend.Watch(protocol.Watch{Keys: [][]byte{keyOf(i)}}, func() {}); err != nil {
				b.Fatal(err)
			}
		}
		held = max(held, heapBytes()-before) // the map of the hub grows in the first round
		for i, watcher := range watchers {
			watcher.Close()
			watchers[i] = nil
		}
	}
	b.ReportMetric(float64(held)/watches, "bytes/watch")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/watches, "ns/watch")
}

// heapBytes is what is in use.
func heapBytes() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
