package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// nativeFactor is by how much the upper bound of a bucket of a native histogram is above
	// its lower one, at the most.
	nativeFactor = 1.1
	// maxNativeBuckets bounds the memory of a native histogram, and what it takes to store.
	// One that has more is begun anew if it is nativeReset old, and made coarser otherwise.
	maxNativeBuckets = 160
	nativeReset      = time.Hour
)

// secondsBuckets are the upper bounds for those who do not scrape native histograms, from a
// read that is in memory to a request that clients have given up.
func secondsBuckets() []float64 {
	return []float64{
		50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3, 1, 2.5, 5, 10,
	}
}

func histogramOpts(name, help string, buckets []float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Namespace: namespace, Name: name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor:     nativeFactor,
		NativeHistogramMaxBucketNumber:  maxNativeBuckets,
		NativeHistogramMinResetDuration: nativeReset,
	}
}

func newHistogram(name, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(histogramOpts(name, help, buckets))
}

func counterOpts(name, help string) prometheus.CounterOpts {
	return prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}
}
