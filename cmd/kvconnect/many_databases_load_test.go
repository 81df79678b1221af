package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/bench"
)

// load is what some workers do, each one operation after another.
type load struct {
	server    *folderServer
	workers   [][]*databaseClient // each takes its clients in turn
	readShare float64             // of the operations; the others are writes
}

// loadOf has a worker for each client.
func loadOf(server *folderServer, readShare float64, clients []*databaseClient) load {
	l := load{server: server, readShare: readShare}
	for i := range clients {
		l.workers = append(l.workers, clients[i:i+1])
	}
	return l
}

// figures are what a load found. Times are 0 for what it did not do.
type figures struct {
	readsPerSecond, writesPerSecond        float64
	readP50, readP99, writeP50, writeP99   time.Duration
	operationsPerSecond, cpuUsPerOperation float64
}

// run puts the load on for a time, with at least one operation of each worker.
func (l load) run(t *testing.T, duration time.Duration) figures {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cpuBefore, err := l.server.cpu()
	if err != nil {
		t.Fatal(err)
	}
	var reads, writes bench.Histogram
	var mu sync.Mutex // guards all of these
	var errs []error
	var wait sync.WaitGroup
	start := time.Now()
	for seed, clients := range l.workers {
		wait.Go(func() {
			r, w, err := l.work(ctx, clients, uint64(seed), start.Add(duration))
			mu.Lock()
			defer mu.Unlock()
			reads.Merge(r)
			writes.Merge(w)
			if err != nil {
				errs = append(errs, err)
				cancel()
			}
		})
	}
	wait.Wait()
	elapsed := time.Since(start)
	cpuAfter, err := l.server.cpu()
	if err := errors.Join(append(errs, err)...); err != nil {
		t.Fatal(err)
	}
	perSecond := func(h *bench.Histogram) float64 { return float64(h.Count()) / elapsed.Seconds() }
	operations := reads.Count() + writes.Count()
	return figures{
		readsPerSecond: perSecond(&reads), readP50: reads.Quantile(0.5), readP99: reads.Quantile(0.99),
		writesPerSecond: perSecond(&writes), writeP50: writes.Quantile(0.5), writeP99: writes.Quantile(0.99),
		operationsPerSecond: float64(operations) / elapsed.Seconds(),
		cpuUsPerOperation:   float64((cpuAfter - cpuBefore).Microseconds()) / float64(operations),
	}
}

// work makes operations until a time, or until one fails.
func (l load) work(ctx context.Context, clients []*databaseClient, seed uint64, end time.Time) (reads, writes *bench.Histogram, err error) {
	random := rand.New(rand.NewPCG(1, seed))
	reads, writes = new(bench.Histogram), new(bench.Histogram)
	for n := 0; ; n++ {
		client, entry := clients[n%len(clients)], random.IntN(filledEntries)
		operation, durations := client.get, reads
		if random.Float64() >= l.readShare {
			operation, durations = client.set, writes
		}
		took, err := timed(func() error { return operation(ctx, entry) })
		if err != nil {
			return reads, writes, err
		}
		durations.Record(took)
		if !time.Now().Before(end) {
			return reads, writes, nil
		}
	}
}

func timed(f func() error) (time.Duration, error) {
	start := time.Now()
	err := f()
	return time.Since(start), err
}
