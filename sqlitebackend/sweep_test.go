package sqlitebackend_test

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/conformance"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

var (
	sweepKeys    = flag.Int("sweep.keys", 5000, "how many keys expire at once in TestSweepLetsWritesThrough")
	sweepWriters = intListFlag("sweep.writers", "how many clients write during the sweep, in one try after another", 1, 8)
	sweepSpread  = flag.Int("sweep.spread-ms", 1, "over how many milliseconds they expire, so that those which do together are not beside each other")
	sweepQuiet   = flag.Duration("sweep.quiet", 10*time.Millisecond, "how long TestSweepLetsWritesThrough measures writes before and after the sweep")
	sweepTimeout = flag.Duration("sweep.timeout", time.Minute, "how long the sweep may take")
)

// What stays, and is written to while the rest is swept.
const (
	sweepStaying    = 1000
	sweepValueBytes = 100
)

// TestSweepLetsWritesThrough has many keys expire at once: all of them go, and writes go
// on meanwhile. With -v it says how long writes took before, while and after; it asserts
// nothing about that.
func TestSweepLetsWritesThrough(t *testing.T) {
	t.Parallel()
	var report strings.Builder
	fmt.Fprintf(&report, "%d keys expire within %d ms.\n\n", *sweepKeys, *sweepSpread)
	report.WriteString("| writers | when | lasted | writes | p50 | p99 | p99.9 | longest |\n|---|---|---|---|---|---|---|---|\n")
	for _, writers := range *sweepWriters {
		sweepBeside(t, writers, &report)
	}
	if testing.Verbose() {
		fmt.Printf("%s\n\n%s", machine(t), report.String())
	}
}

// sweepBeside lets the keys of a new database expire while writers write.
func sweepBeside(t *testing.T, writers int, report *strings.Builder) {
	t.Helper()
	clock := conformance.NewClock()
	path := tempPath(t)
	backend := open(t, sqlitebackend.Options{Path: path, Clock: clock})
	fillExpiring(t, backend, clock.InMs(time.Hour))
	staying := growing{backend: backend, entries: sweepStaying, valueBytes: sweepValueBytes}
	if err := staying.fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := latencies(t, writers, staying.anyWrite, func() { <-time.After(*sweepQuiet) })
	during := latencies(t, writers, staying.anyWrite, func() {
		clock.Move(time.Hour + time.Duration(*sweepSpread)*time.Millisecond)
		awaitSwept(t, path)
	})
	after := latencies(t, writers, staying.anyWrite, func() { <-time.After(*sweepQuiet) })
	for _, line := range []struct {
		when string
		writeTimes
	}{{"before", before}, {"during the sweep", during}, {"after", after}} {
		fmt.Fprintf(report, "| %d | %s | %.1f s | %s |\n", writers, line.when, line.lasted.Seconds(), line.writeTimes)
	}
	if n, err := backend.StoredKeys(t.Context()); err != nil || n != sweepStaying {
		t.Errorf("%d keys are left, want the %d that stay; %v", n, sweepStaying, err)
	}
}

// fillExpiring stores keys that expire at the given time or up to sweep.spread-ms later.
func fillExpiring(t *testing.T, backend *sqlitebackend.Backend, expireAtMs int64) {
	t.Helper()
	for start := 0; start < *sweepKeys; start += protocol.MaxMutations {
		var atomicWrite protocol.AtomicWrite
		for i := start; i < min(start+protocol.MaxMutations, *sweepKeys); i++ {
			atomicWrite.Mutations = append(atomicWrite.Mutations, protocol.Mutation{
				Type: protocol.MutationSet, Key: fmt.Appendf(nil, "\x02expiring%09d\x00", i),
				Value:      protocol.Value{Data: make([]byte, sweepValueBytes), Encoding: protocol.EncodingBytes},
				ExpireAtMs: expireAtMs + int64(anyOf(*sweepSpread, i)),
			})
		}
		if err := write(t.Context(), backend, atomicWrite); err != nil {
			t.Fatal(err)
		}
	}
}

// awaitSwept waits until the file holds no key that expires.
func awaitSwept(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+path+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	timeout := time.After(*sweepTimeout)
	looks := time.NewTicker(5 * time.Millisecond)
	defer looks.Stop()
	for {
		var left bool
		err := db.QueryRowContext(t.Context(), "select exists (select 1 from kv where expiration_ms >= 0)").Scan(&left)
		if err != nil {
			t.Fatal(err)
		}
		if !left {
			return
		}
		select {
		case <-timeout:
			t.Fatal("the sweep has not ended")
		case <-looks.C:
		}
	}
}

// writeTimes is how long each of a number of writes took, in ascending order.
type writeTimes struct {
	lasted time.Duration // all of them together
	times  []time.Duration
}

// latencies has the writers write until f returns, and each at least once.
func latencies(t *testing.T, writers int, op operation, f func()) writeTimes {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	defer wait.Wait()
	defer stop()
	taken := make([][]time.Duration, writers)
	errs := make([]error, writers)
	start := time.Now()
	for w := range writers {
		wait.Go(func() {
			for n := w; ; n += writers {
				start := time.Now()
				if errs[w] = op(t.Context(), n); errs[w] != nil {
					return
				}
				taken[w] = append(taken[w], time.Since(start))
				if ctx.Err() != nil {
					return
				}
			}
		})
	}
	f()
	stop()
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	times := slices.Concat(taken...)
	slices.Sort(times)
	return writeTimes{lasted: time.Since(start), times: times}
}

// String gives cells: how many there were, and percentiles.
func (w writeTimes) String() string {
	percentile := func(p float64) time.Duration {
		return w.times[int(p/100*float64(len(w.times)-1))].Round(10 * time.Microsecond)
	}
	return fmt.Sprintf("%d | %v | %v | %v | %v", len(w.times), percentile(50), percentile(99), percentile(99.9), percentile(100))
}
