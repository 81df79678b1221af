package sqlitebackend_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// benchWriters is how many clients share commits in the benchmarks.
const benchWriters = 64

// sets stores a value under one key after another.
func sets(backend *sqlitebackend.Backend) operation {
	writes := make([]protocol.AtomicWrite, benchKeys)
	for i := range writes {
		writes[i].Mutations = []protocol.Mutation{{Type: protocol.MutationSet, Key: []byte(benchKey(i)), Value: benchValue()}}
	}
	return func(ctx context.Context, n int) error {
		return write(ctx, backend, writes[n*benchStride%len(writes)])
	}
}

// write fails if the write is not committed.
func write(ctx context.Context, backend *sqlitebackend.Backend, write protocol.AtomicWrite) error {
	output, err := backend.AtomicWrite(ctx, write)
	if err == nil && output.Status != protocol.AtomicWriteCommitted {
		err = fmt.Errorf("status %v", output.Status)
	}
	return err
}

// BenchmarkCommit is the time for each write: what a lone client waits for, and what
// each of many costs that share commits.
func BenchmarkCommit(b *testing.B) {
	backend := openFilled(b)
	op := sets(backend)
	b.Run("writers=1", func(b *testing.B) { benchmark(b, op) })
	b.Run(fmt.Sprintf("writers=%d", benchWriters), func(b *testing.B) { benchmarkTogether(b, benchWriters, op) })
	normal := openToMeasure(b, sqlitebackend.Options{Path: makeFilled(b), Durability: sqlitebackend.DurabilityNormal})
	op = sets(normal)
	b.Run("writers=1,normal", func(b *testing.B) { benchmark(b, op) })
	b.Run(fmt.Sprintf("writers=%d,normal", benchWriters), func(b *testing.B) { benchmarkTogether(b, benchWriters, op) })
	op = sets(backend)
	backend.SetMaxFileBytes(1 << 40)
	b.Run(fmt.Sprintf("writers=%d,bounded", benchWriters), func(b *testing.B) { benchmarkTogether(b, benchWriters, op) })
}

// benchmarkTogether is benchmark with the operations shared out among workers.
func benchmarkTogether(b *testing.B, workers int, op operation) {
	b.Helper()
	b.ReportAllocs()
	start := processorTime()
	var begun atomic.Int64
	var wait sync.WaitGroup
	for range workers {
		wait.Go(func() {
			for n := begun.Add(1); n <= int64(b.N); n = begun.Add(1) {
				if err := op(b.Context(), int(n)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wait.Wait()
	b.ReportMetric(float64(processorTime()-start)/float64(b.N), "cpu-ns/op")
}
