package sqlitebackend_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

const benchKeys = 10_000

// openFilled gives a database of benchKeys keys with values of 100 bytes.
func openFilled(b *testing.B) *sqlitebackend.Backend {
	b.Helper()
	backend, err := sqlitebackend.Open(sqlitebackend.Options{Path: filepath.Join(b.TempDir(), "kv.sqlite")})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := backend.Close(); err != nil {
			b.Error(err)
		}
	})
	value := string(make([]byte, 100))
	for start := 0; start < benchKeys; start += protocol.MaxMutations {
		mutations := make([]protocol.Mutation, protocol.MaxMutations)
		for i := range mutations {
			mutations[i] = set(benchKey(start+i), value)
		}
		if _, err := backend.AtomicWrite(b.Context(), protocol.AtomicWrite{Mutations: mutations}); err != nil {
			b.Fatal(err)
		}
	}
	return backend
}

func benchKey(i int) string { return fmt.Sprintf("\x02key%08d\x00", i%benchKeys) }

func benchmarkRead(b *testing.B, limit int) {
	b.Helper()
	backend := openFilled(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		output, err := backend.SnapshotRead(b.Context(), protocol.SnapshotRead{
			Ranges: []protocol.ReadRange{{Start: []byte(benchKey(i * 7919 % (benchKeys - limit))), End: []byte{0xff}, Limit: limit}},
		})
		if err != nil || len(output.Ranges[0]) != limit {
			b.Fatalf("%d entries, %v", len(output.Ranges[0]), err)
		}
	}
}

func BenchmarkPointRead(b *testing.B) { benchmarkRead(b, 1) }

func BenchmarkList100(b *testing.B) { benchmarkRead(b, 100) }

// BenchmarkCommit is what a lone client waits for.
func BenchmarkCommit(b *testing.B) {
	backend := openFilled(b)
	for i := 0; b.Loop(); i++ {
		if _, err := backend.AtomicWrite(b.Context(), protocol.AtomicWrite{
			Mutations: []protocol.Mutation{set(benchKey(i), "x")},
		}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGroupedCommit is the time for each write of 64 clients that share
// commits.
func BenchmarkGroupedCommit(b *testing.B) {
	backend := openFilled(b)
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if _, err := backend.AtomicWrite(b.Context(), protocol.AtomicWrite{
				Mutations: []protocol.Mutation{set(benchKey(i), "x")},
			}); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
