package bench

import "time"

// fanOutResult is what the fanout workload has come to besides its operations.
type fanOutResult struct {
	watches    int
	opened     time.Duration // until the last watch had its first state
	deliveries uint64        // in the window
	reads      Histogram     // of the reader beside
	// memoryBytes is by how much the resident memory of the server has grown until all
	// watches were open; nil if it cannot be known.
	memoryBytes *int64
}

// plus gives the result of several rounds. Those that come later find memory in the server
// that it has not given back, so the most is what counts.
func (r *fanOutResult) plus(other *fanOutResult) *fanOutResult {
	if r == nil || other == nil {
		if r == nil {
			return other
		}
		return r
	}
	both := &fanOutResult{
		watches: r.watches, opened: max(r.opened, other.opened), deliveries: r.deliveries + other.deliveries,
		memoryBytes: r.memoryBytes,
	}
	if m := other.memoryBytes; m != nil && (both.memoryBytes == nil || *m > *both.memoryBytes) {
		both.memoryBytes = m
	}
	both.reads.Merge(&r.reads)
	both.reads.Merge(&other.reads)
	return both
}

func (r *fanOutResult) figures(elapsed time.Duration) *FanOutFigures {
	f := &FanOutFigures{
		Watches: r.watches, OpenSeconds: r.opened.Seconds(), Reads: r.reads.Count(),
		ReadsP50Us: microseconds(r.reads.Quantile(0.5)), ReadsP99Us: microseconds(r.reads.Quantile(0.99)),
		ReadsMaxUs: microseconds(r.reads.Max()),
	}
	if elapsed > 0 {
		f.DeliveriesPerSecond = float64(r.deliveries) / elapsed.Seconds()
	}
	if r.memoryBytes != nil {
		bytes := float64(*r.memoryBytes) / float64(r.watches)
		f.ServerBytesPerWatch = &bytes
	}
	return f
}
