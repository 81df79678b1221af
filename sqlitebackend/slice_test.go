package sqlitebackend_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// slice is a stretch of one kind of work. On a machine that others use too, only what
// was measured in alternating slices can be compared.
type slice struct {
	operations int
	wall, cpu  time.Duration
}

func (s slice) perSecond() float64 { return float64(s.operations) / s.wall.Seconds() }

func (s slice) wallNs() float64 { return float64(s.wall) / float64(s.operations) }

func (s slice) cpuNs() float64 { return float64(s.cpu) / float64(s.operations) }

// measured does something for about as long as it is told.
type measured func(context.Context, time.Duration) (slice, error)

// work is an operation that workers repeat in slices; each slice goes on where the one
// before it ended.
type work struct {
	op      operation
	workers int
	// batch is how many operations a worker makes between two looks at the time.
	batch int64
	begun atomic.Int64
}

// reading is the work of one reader; an operation is so short that looking at the time
// after each would count.
func reading(op operation) *work { return &work{op: op, workers: 1, batch: 32} }

func writing(op operation, writers int) *work { return &work{op: op, workers: writers, batch: 1} }

// slice works for about as long as d says, and each worker one batch at least.
func (w *work) slice(ctx context.Context, d time.Duration) (slice, error) {
	var operations atomic.Int64
	start, startCPU := time.Now(), processorTime()
	worker := func() error {
		for ran := false; !ran || time.Since(start) < d; ran = true {
			first := w.begun.Add(w.batch) - w.batch
			for n := range w.batch {
				if err := w.op(ctx, int(first+n)); err != nil {
					return err
				}
			}
			operations.Add(w.batch)
		}
		return nil
	}
	errs := make([]error, w.workers)
	if w.workers == 1 {
		errs[0] = worker()
	} else {
		var wait sync.WaitGroup
		for i := range errs {
			wait.Go(func() { errs[i] = worker() })
		}
		wait.Wait()
	}
	s := slice{operations: int(operations.Load()), wall: time.Since(start), cpu: processorTime() - startCPU}
	return s, errors.Join(errs...)
}

// median gives the middle one of the numbers, of which there must be one at least.
func median(numbers []float64) float64 {
	sorted := slices.Sorted(slices.Values(numbers))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// quartiles gives the numbers between which the middle half lies.
func quartiles(numbers []float64) (low, high float64) {
	sorted := slices.Sorted(slices.Values(numbers))
	quarter := len(sorted) / 4
	return sorted[quarter], sorted[len(sorted)-1-quarter]
}

// ratioText gives the median of the ratios, and the middle half of them.
func ratioText(ratios []float64) string {
	low, high := quartiles(ratios)
	return fmt.Sprintf("%.2f (%.2f–%.2f)", median(ratios), low, high)
}

// intList is a flag for numbers with commas between them.
type intList []int

func intListFlag(name, usage string, numbers ...int) *intList {
	list := intList(numbers)
	flag.Var(&list, name, usage)
	return &list
}

func (l *intList) String() string {
	texts := make([]string, len(*l))
	for i, n := range *l {
		texts[i] = strconv.Itoa(n)
	}
	return strings.Join(texts, ",")
}

func (l *intList) Set(text string) error {
	*l = nil
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 1 {
			return fmt.Errorf("%q is no positive number", part)
		}
		*l = append(*l, n)
	}
	return nil
}

func TestMiddleOfRatios(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name              string
		numbers           []float64
		median, low, high float64
	}{
		{"one", []float64{3}, 3, 3, 3},
		{"even", []float64{4, 1, 3, 2}, 2.5, 2, 3},
		{"odd", []float64{9, 1, 5}, 5, 1, 9},
		{"an outlier", []float64{1, 1, 1, 1, 1, 1, 1, 100}, 1, 1, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			low, high := quartiles(test.numbers)
			if got := median(test.numbers); got != test.median || low != test.low || high != test.high {
				t.Errorf("median %v, quartiles %v and %v; want %v, %v and %v", got, low, high, test.median, test.low, test.high)
			}
		})
	}
}
