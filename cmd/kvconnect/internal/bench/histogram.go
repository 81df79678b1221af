package bench

import (
	"math/bits"
	"time"
)

// The buckets of a Histogram: durations below 2*stepsPerOctave nanoseconds have one
// each, and from there on each octave is divided into stepsPerOctave.
const (
	octaveBits     = 7
	stepsPerOctave = 1 << octaveBits

	// longest is what a longer duration is counted as, some 18 minutes.
	longest      = 1<<40 - 1
	bucketCount  = (40-octaveBits)*stepsPerOctave + stepsPerOctave
	halfOfBucket = 2
)

// Histogram counts durations by size, with a relative error of at most 1 in 256. The
// zero Histogram is empty. It is not safe for concurrent use: each worker has its own,
// and they are merged.
type Histogram struct {
	counts [bucketCount]uint64
	count  uint64
	max    time.Duration
}

// Record counts a duration. One below zero counts as zero.
func (h *Histogram) Record(d time.Duration) {
	d = max(d, 0)
	h.counts[bucketOf(uint64(d))]++
	h.count++
	h.max = max(h.max, d)
}

// Merge adds what other has counted.
func (h *Histogram) Merge(other *Histogram) {
	for i, n := range &other.counts {
		h.counts[i] += n
	}
	h.count += other.count
	h.max = max(h.max, other.max)
}

// Count tells how many durations were recorded.
func (h *Histogram) Count() uint64 { return h.count }

// Max gives the longest duration, exactly.
func (h *Histogram) Max() time.Duration { return h.max }

// Quantile gives a duration that the share q of all recorded ones does not exceed; 0
// if there are none. q is above 0 and at most 1.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := min(uint64(q*float64(h.count)), h.count)
	if float64(rank) < q*float64(h.count) {
		rank++
	}
	var below uint64
	for i, n := range &h.counts {
		if below += n; n > 0 && below >= rank {
			return min(middleOf(i), h.max)
		}
	}
	return 0
}

func bucketOf(nanoseconds uint64) int {
	nanoseconds = min(nanoseconds, longest)
	shift := max(0, bits.Len64(nanoseconds)-octaveBits-1)
	return shift<<octaveBits + int(nanoseconds>>shift) //nolint:gosec // below bucketCount
}

// middleOf gives the duration in the middle of a bucket.
func middleOf(bucket int) time.Duration {
	shift := max(0, bucket>>octaveBits-1)
	low := int64(bucket-shift<<octaveBits) << shift
	return time.Duration(low + (int64(1)<<shift)/halfOfBucket)
}
