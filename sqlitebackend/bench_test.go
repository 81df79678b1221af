package sqlitebackend_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// The database of the benchmarks, and the order in which they go through its keys.
// testdata/floor/floor.c does the same.
const (
	benchKeys       = 10_000
	benchValueBytes = 100
	benchStride     = 7919 // a prime: the n-th operation is on key n * benchStride mod benchKeys
)

// operation is the n-th of its kind. It must be safe for concurrent use.
type operation func(ctx context.Context, n int) error

func benchKey(i int) string { return fmt.Sprintf("\x02key%08d\x00", i) }

func benchValue() protocol.Value {
	return protocol.Value{Data: make([]byte, benchValueBytes), Encoding: protocol.EncodingBytes}
}

// openFilled gives a database of benchKeys keys with values of benchValueBytes.
func openFilled(tb testing.TB) *sqlitebackend.Backend {
	tb.Helper()
	return openToMeasure(tb, sqlitebackend.Options{Path: makeFilled(tb)})
}

// makeFilled makes the file of that database and gives its path.
func makeFilled(tb testing.TB) (path string) {
	tb.Helper()
	path = filepath.Join(tb.TempDir(), "kv.sqlite")
	backend := openToMeasure(tb, sqlitebackend.Options{Path: path})
	for start := 0; start < benchKeys; start += protocol.MaxMutations {
		mutations := make([]protocol.Mutation, protocol.MaxMutations)
		for i := range mutations {
			mutations[i] = protocol.Mutation{Type: protocol.MutationSet, Key: []byte(benchKey(start + i)), Value: benchValue()}
		}
		if _, err := backend.AtomicWrite(tb.Context(), protocol.AtomicWrite{Mutations: mutations}); err != nil {
			tb.Fatal(err)
		}
	}
	if err := backend.Close(); err != nil {
		tb.Fatal(err)
	}
	return path
}

// openToMeasure opens a database until the test or benchmark ends.
func openToMeasure(tb testing.TB, options sqlitebackend.Options) *sqlitebackend.Backend {
	tb.Helper()
	backend, err := sqlitebackend.Open(options)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := backend.Close(); err != nil {
			tb.Error(err)
		}
	})
	return backend
}

// benchmark repeats an operation and reports its processor time beside the wall time:
// what the runtime and other goroutines take for it is in there.
func benchmark(b *testing.B, op operation) {
	b.Helper()
	b.ReportAllocs()
	ctx := b.Context()
	start := processorTime()
	for n := 0; b.Loop(); n++ {
		if err := op(ctx, n); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(processorTime()-start)/float64(b.N), "cpu-ns/op")
}
