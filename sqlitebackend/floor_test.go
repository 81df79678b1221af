package sqlitebackend_test

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/sqlitebackend"
)

var (
	floorPath   = flag.String("floor.program", "", "the program made of testdata/floor, to which TestFloor compares")
	floorRounds = flag.Int("floor.rounds", 15, "how often TestFloor measures everything")
	floorSlice  = flag.Duration("floor.slice", 200*time.Millisecond, "how long each measurement of TestFloor takes")
)

// comparisons are all lines that can be measured within one process and the floor's.
func comparisons(t *testing.T, backend *sqlitebackend.Backend, floor *floorProgram) []*comparison {
	t.Helper()
	together := writing(sets(backend), benchWriters)
	alone := writing(sets(backend), 1)
	inC := func(work string) measured {
		return func(_ context.Context, d time.Duration) (slice, error) { return floor.slice(work, d) }
	}
	ofCPU := func(name string, w *work, floorWork string, atMost float64) *comparison {
		return &comparison{
			name: name, ours: w.slice, other: inC(floorWork),
			measure: slice.cpuNs, format: "%.0f ns CPU", target: atMost, targetIsUpper: true,
		}
	}
	ofThroughput := func(name string, w *work, other measured, atLeast float64) *comparison {
		return &comparison{
			name: name, ours: w.slice, other: other,
			measure: slice.perSecond, format: "%.0f/s", target: atLeast,
		}
	}
	return []*comparison{
		ofThroughput("64 writers / C, 50 writes a commit", together, inC("commit_50"), 1),
		ofThroughput("64 writers / C, 50 writes a commit, a savepoint each", together, inC("save_50"), 0),
		ofThroughput("64 writers / C, 50 writes a commit, with our upsert", together, inC("lean_50"), 0),
		ofThroughput("64 writers / 1 writer", together, alone.slice, 6),
		ofThroughput("lone commit / C, single commit", alone, inC("commit"), 0.8),
		ofCPU("point read / C", reading(pointReads(backend)), "point_read", 1.7),
		ofCPU("list of 10 / C", reading(lists(backend, 10)), "list_10", 0),
		ofCPU("list of 100 / C", reading(lists(backend, 100)), "list_100", 3),
		ofCPU("list of 500 / C", reading(lists(backend, 500)), "list_500", 0),
		ofCPU("point read, request to reply bytes / C", reading(requests(t, backend, 1)), "point_read", 0),
		ofCPU("list of 500, request to reply bytes / C", reading(requests(t, backend, 500)), "list_500", 0),
	}
}

// maxPointReadAllocations is the target for one from request to reply bytes.
const maxPointReadAllocations = 5

// TestFloor measures the backend and the floor in alternating slices, and prints a table
// in Markdown. It asserts nothing about time.
func TestFloor(t *testing.T) {
	t.Parallel()
	if *floorPath == "" {
		t.Skip("make bench names the program to compare with")
	}
	// As in the server, see cmd/kvconnect/internal/service/heap.go.
	heapFloor := make([]byte, 32<<20)
	defer runtime.KeepAlive(heapFloor)
	path := makeFilled(t)
	floor := startFloor(t, *floorPath, path)
	backend := openToMeasure(t, sqlitebackend.Options{Path: path})
	lines := comparisons(t, backend, floor)
	for n := range *floorRounds + 1 {
		for _, line := range lines {
			if err := line.round(t.Context(), n, *floorSlice); err != nil {
				t.Fatal(err)
			}
			if n == 0 { // the caches are warm from here on
				line.oursMeasured, line.otherMeasured, line.ratios = nil, nil, nil
			}
		}
	}
	fmt.Println(machine(t))
	fmt.Printf("\nMedians of %d rounds with slices of %v; in brackets the middle half of the ratios.\n\n", *floorRounds, *floorSlice)
	fmt.Println("| line | ours | compared with | ratio | target | met |")
	fmt.Println("|---|---|---|---|---|---|")
	for _, line := range lines {
		fmt.Println(line)
	}
	fmt.Println(allocationsLine(t, requests(t, backend, 1)))
}

func allocationsLine(t *testing.T, op operation) string {
	t.Helper()
	allocations := allocationsOf(t, op)
	verdict := "no"
	if allocations <= maxPointReadAllocations {
		verdict = "yes"
	}
	return fmt.Sprintf("| allocations of a point read, request to reply bytes | %d | | | ≤ %d | %s |",
		allocations, maxPointReadAllocations, verdict)
}

// allocationsOf is testing.AllocsPerRun, which has no place in a parallel test. What
// other goroutines allocate now and then does not make a whole one.
func allocationsOf(t *testing.T, op operation) uint64 {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for n := range benchKeys {
		if err := op(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	return (after.Mallocs - before.Mallocs) / benchKeys
}
