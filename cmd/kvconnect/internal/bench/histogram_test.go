package bench_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/bench"
)

func TestHistogramError(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 1))
	durations := []time.Duration{0, 1, 255, 256, 257, 511, 512, time.Microsecond, time.Minute, 1<<40 - 1}
	for shift := range 40 {
		durations = append(durations, 1<<shift-1, 1<<shift, 1<<shift+1, time.Duration(random.Int64N(1<<(shift+1))))
	}
	for _, d := range durations {
		var h bench.Histogram
		h.Record(d)
		h.Record(1 << 50) // so that the longest one does not correct the other
		if got := h.Quantile(0.5); got < d-d/256 || got > d+d/256 {
			t.Errorf("%d was counted as %d", d, got)
		}
		if got := h.Max(); got != 1<<50 {
			t.Errorf("the longest is %d", got)
		}
	}
}

func TestHistogramOutOfRange(t *testing.T) {
	t.Parallel()
	var h bench.Histogram
	if h.Quantile(1) != 0 || h.Max() != 0 || h.Count() != 0 {
		t.Error("an empty histogram knows durations")
	}
	h.Record(-time.Second)
	if got := h.Quantile(1); got != 0 || h.Count() != 1 {
		t.Errorf("a duration below zero was counted as %v", got)
	}
	h.Record(100 * time.Hour)
	if got := h.Quantile(1); got < 18*time.Minute || h.Max() != 100*time.Hour {
		t.Errorf("a duration of 100 h was counted as %v", got)
	}
}

func TestHistogramQuantiles(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(2, 2))
	var all []time.Duration
	var merged bench.Histogram
	for range 10 {
		var one bench.Histogram
		for range 1 + random.IntN(1000) {
			d := time.Duration(random.ExpFloat64() * float64(time.Millisecond))
			one.Record(d)
			all = append(all, d)
		}
		merged.Merge(&one)
	}
	slices.Sort(all)
	if merged.Count() != uint64(len(all)) || merged.Max() != all[len(all)-1] {
		t.Errorf("%d durations up to %v, want %d up to %v", merged.Count(), merged.Max(), len(all), all[len(all)-1])
	}
	for _, q := range []float64{0.001, 0.5, 0.9, 0.99, 0.999, 1} {
		rank := int(q * float64(len(all)))
		if float64(rank) < q*float64(len(all)) {
			rank++
		}
		want := all[rank-1]
		if got := merged.Quantile(q); got < want-want/256-1 || got > want+want/256+1 {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
}

func BenchmarkHistogramRecord(b *testing.B) {
	var h bench.Histogram
	for i := range b.N {
		h.Record(time.Duration(i%1000) * time.Microsecond)
	}
}
