package sqlitebackend_test

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/sqlitebackend"
)

var (
	growthEntries    = intListFlag("growth.entries", "the sizes of the databases of TestGrowth, which are compared with the first", 200, 2000)
	growthValueBytes = intListFlag("growth.value-bytes", "the sizes of the values in the databases of TestGrowth", 100)
	growthFolder     = flag.String("growth.folder", "", "where TestGrowth makes its files; they are removed")
	growthReadConns  = flag.Int("growth.read-conns", 0, "the connections for reads in TestGrowth; 0 for as many as the server has")
	growthRounds     = flag.Int("growth.rounds", 1, "how often TestGrowth measures everything")
	growthSlice      = flag.Duration("growth.slice", time.Millisecond, "how long each measurement of TestGrowth takes")
)

// grownWorks are what TestGrowth compares: reads by their processor time, which others on
// the machine hardly touch, and what waits for a disk by what passes on the clock.
var grownWorks = []struct {
	name    string
	start   func(testing.TB, growing) measured
	measure func(slice) float64
}{
	{"point read, cached", func(_ testing.TB, g growing) measured { return reading(g.cachedReads()).slice }, slice.cpuNs},
	{"the same, request to reply bytes", func(tb testing.TB, g growing) measured { return reading(g.cachedRequests(tb)).slice }, slice.cpuNs},
	{"point read, cached, beside a writer", func(_ testing.TB, g growing) measured { return g.besideWriter(reading(g.cachedReads()).slice) }, slice.wallNs},
	{"point read, any", func(_ testing.TB, g growing) measured { return reading(g.anyRead).slice }, slice.cpuNs},
	{"list of 100, any", func(_ testing.TB, g growing) measured { return reading(g.anyList).slice }, slice.cpuNs},
	{"lone write", func(_ testing.TB, g growing) measured { return writing(g.anyWrite, 1).slice }, slice.wallNs},
	{"64 writers", func(_ testing.TB, g growing) measured { return writing(g.anyWrite, benchWriters).slice }, slice.wallNs},
}

// TestGrowth compares databases of different sizes, each with the first in alternating
// slices, and says with -v what it found. It asserts nothing about time, but that
// everything is there, after a kill too.
func TestGrowth(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("memory is read from /proc")
	}
	folder := cmp.Or(*growthFolder, t.TempDir())
	var report strings.Builder
	for _, valueBytes := range *growthValueBytes {
		growthOf(t, folder, valueBytes, &report)
	}
	if testing.Verbose() {
		fmt.Printf("%s\n%s", machine(t), report.String())
	}
}

// growthOf measures all numbers of entries of one size.
func growthOf(t *testing.T, folder string, valueBytes int, report *strings.Builder) {
	t.Helper()
	fmt.Fprintf(report, "\nValues of %d bytes: what each operation takes, and its ratio to that in the first line\n", valueBytes)
	fmt.Fprintf(report, "(medians of %d rounds with slices of %v). Reads are processor time, writes and what is beside them wall time.\n\n| entries |", *growthRounds, *growthSlice)
	for _, w := range grownWorks {
		fmt.Fprintf(report, " %s |", w.name)
	}
	fmt.Fprintf(report, "\n|---|%s\n", strings.Repeat("---|", len(grownWorks)))
	processes := new(strings.Builder)
	fmt.Fprintf(processes, "\n| entries | filled in | file | open | open after a kill | memory at start | memory | at most | Go heap "+
		"| WAL, 64 writers | writes/s | WAL, 8 readers too | writes/s |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")

	var first growing
	for i, entries := range *growthEntries {
		if entries < growthListEntries {
			t.Fatalf("%d entries are fewer than those of a list", entries)
		}
		path := filepath.Join(folder, fmt.Sprintf("growth-%d-%d.sqlite", entries, valueBytes))
		removeDatabase(t, path)
		t.Cleanup(func() { removeDatabase(t, path) })
		g := growing{entries: entries, valueBytes: valueBytes}
		g.backend = openToMeasure(t, sqlitebackend.Options{Path: path, ReadConns: *growthReadConns})
		start := time.Now()
		if err := g.fill(t.Context()); err != nil {
			t.Fatal(err)
		}
		filled := time.Since(start)
		closeNow(t, g.backend)
		size := fileSize(t, path)
		found, err := g.measureProcess(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		start = time.Now()
		g.backend = openToMeasure(t, sqlitebackend.Options{Path: path, ReadConns: *growthReadConns})
		fmt.Fprintf(processes, "| %d | %.1f s | %s | %v | %v | %s | %s | %s | %s | %s | %.0f | %s | %.0f |\n", entries, filled.Seconds(),
			megabytes(size), time.Duration(found.OpenNs).Round(10*time.Microsecond), time.Since(start).Round(10*time.Microsecond),
			megabytes(found.RSSAtStartBytes), megabytes(found.RSSBytes), megabytes(found.MaxRSSBytes), megabytes(found.GoHeapBytes),
			megabytes(found.Alone.MaxWALBytes), found.Alone.WritesPerSecond,
			megabytes(found.WithReaders.MaxWALBytes), found.WithReaders.WritesPerSecond)
		if n, err := g.backend.StoredKeys(t.Context()); err != nil || n != int64(entries) {
			t.Fatalf("%d of %d entries are there after the kill; %v", n, entries, err)
		}
		if i == 0 {
			first = g
		}
		fmt.Fprintf(report, "| %d |%s\n", entries, compareGrown(t, g, first))
		if i > 0 {
			closeNow(t, g.backend)
			removeDatabase(t, path)
		}
		t.Logf("%d entries of %d bytes are done", entries, valueBytes)
	}
	report.WriteString(processes.String())
}

// compareGrown gives the cells of a line: the time of each operation, and its ratio to
// that in the first database. What that gives for the first itself is noise.
func compareGrown(t *testing.T, g, first growing) string {
	t.Helper()
	var line strings.Builder
	for _, w := range grownWorks {
		c := comparison{name: w.name, ours: w.start(t, g), other: w.start(t, first), measure: w.measure}
		for n := range *growthRounds + 1 {
			if err := c.round(t.Context(), n, *growthSlice); err != nil {
				t.Fatal(err)
			}
		}
		// The first round fills the caches.
		fmt.Fprintf(&line, " %.1f µs, %s |", median(c.oursMeasured[1:])/1000, ratioText(c.ratios[1:]))
	}
	return line.String()
}

// closeNow closes what the end of the test would; a further Close does no harm.
func closeNow(t *testing.T, backend *sqlitebackend.Backend) {
	t.Helper()
	if err := backend.Close(); err != nil {
		t.Fatal(err)
	}
}

// removeDatabase removes the file and what is beside it, whether it is there or not.
func removeDatabase(t *testing.T, path string) {
	t.Helper()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.RemoveAll(path + suffix); err != nil {
			t.Error(err)
		}
	}
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func megabytes(bytes int64) string { return fmt.Sprintf("%.1f MB", float64(bytes)/1e6) }

func TestGrowthKeysAreInOrderAndDrawnFromAll(t *testing.T) {
	t.Parallel()
	const entries = 1234
	drawn := make(map[int]bool)
	for n := range 20 * entries {
		drawn[anyOf(entries, n)] = true
	}
	for i := range entries {
		if i > 0 && slices.Compare(growthKey(i-1), growthKey(i)) >= 0 {
			t.Fatalf("key %d is not above the one before it", i)
		}
		if !drawn[i] {
			t.Errorf("entry %d is never drawn", i)
		}
	}
}
