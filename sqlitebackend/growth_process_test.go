package sqlitebackend_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/sqlitebackend"
)

var (
	growthPath = flag.String("growth.path", "", "the database that TestGrowthProcess opens, for TestGrowth")
	growthLoad = flag.Duration("growth.load", 20*time.Millisecond, "how long each kind of load lasts in the process of TestGrowth")
)

// growthReaders is how many read lists without a pause while others write.
const growthReaders = 8

// growthReport is what a process of its own finds out about a database.
type growthReport struct {
	// OpenNs is the median of a few.
	OpenNs int64 `json:"openNs"`

	RSSAtStartBytes int64 `json:"rssAtStartBytes"`
	RSSBytes        int64 `json:"rssBytes"`
	MaxRSSBytes     int64 `json:"maxRssBytes"`
	GoHeapBytes     int64 `json:"goHeapBytes"`

	Alone       growthLoadReport `json:"alone"`
	WithReaders growthLoadReport `json:"withReaders"`
}

// growthLoadReport is what became of a load on a database.
type growthLoadReport struct {
	WritesPerSecond float64 `json:"writesPerSecond"`
	MaxWALBytes     int64   `json:"maxWalBytes"`
}

// measureProcess opens the database in a process of its own, puts it under load, and
// kills that process: what it leaves is what a crash leaves.
func (g growing) measureProcess(ctx context.Context, path string) (report growthReport, err error) {
	command := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestGrowthProcess$", "-test.timeout=0",
		"-growth.path="+path, "-growth.entries="+strconv.Itoa(g.entries),
		"-growth.value-bytes="+strconv.Itoa(g.valueBytes), "-growth.load="+growthLoad.String())
	command.Stderr = os.Stderr
	input, err := command.StdinPipe() // held open: the process waits for its end
	if err != nil {
		return report, err
	}
	defer func() { _ = input.Close() }()
	output, err := command.StdoutPipe()
	if err != nil {
		return report, err
	}
	if err := command.Start(); err != nil {
		return report, err
	}
	lines := bufio.NewReader(output)
	line, err := lines.ReadBytes('\n')
	if err == nil && json.Unmarshal(line, &report) != nil {
		rest, readErr := io.ReadAll(lines) // it has failed, so it ends
		err = errors.Join(fmt.Errorf("the process: %s%s", line, rest), readErr)
	}
	err = errors.Join(err, command.Process.Kill())
	_ = command.Wait() // it was killed
	return report, err
}

// TestGrowthProcess is that process.
func TestGrowthProcess(t *testing.T) {
	t.Parallel()
	if *growthPath == "" {
		t.Skip("TestGrowth starts it")
	}
	report, err := growthReportOf(t.Context(), *growthPath, (*growthEntries)[0], (*growthValueBytes)[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(report); err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadAll(os.Stdin) // until it is killed
}

func growthReportOf(ctx context.Context, path string, entries, valueBytes int) (report growthReport, err error) {
	const opens = 5
	var times []float64
	g := growing{entries: entries, valueBytes: valueBytes}
	for n := range opens {
		start := time.Now()
		if g.backend, err = sqlitebackend.Open(sqlitebackend.Options{Path: path}); err != nil {
			return report, err
		}
		times = append(times, float64(time.Since(start)))
		if n == opens-1 {
			break
		}
		if err := g.backend.Close(); err != nil {
			return report, err
		}
	}
	report.OpenNs = int64(median(times))
	if report.RSSAtStartBytes, _, err = residentMemory(); err != nil {
		return report, err
	}
	if report.Alone, err = g.load(ctx, path, 0); err != nil {
		return report, err
	}
	if report.WithReaders, err = g.load(ctx, path, growthReaders); err != nil {
		return report, err
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	report.GoHeapBytes = int64(memory.HeapAlloc)
	report.RSSBytes, report.MaxRSSBytes, err = residentMemory()
	return report, err
}

// load has 64 writers overwrite any keys, and readers read lists from anywhere without a
// pause.
func (g growing) load(ctx context.Context, path string, readers int) (report growthLoadReport, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	read := make(chan error)
	go func() {
		if readers == 0 {
			read <- nil
			return
		}
		_, err := (&work{op: g.anyList, workers: readers, batch: 1}).slice(ctx, *growthLoad)
		read <- err
	}()
	sizes := make(chan int64)
	go func() {
		var largest int64
		for ctx.Err() == nil {
			if info, err := os.Stat(path + "-wal"); err == nil {
				largest = max(largest, info.Size())
			}
			select {
			case <-time.After(10 * time.Millisecond):
			case <-ctx.Done():
			}
		}
		sizes <- largest
	}()
	written, err := writing(g.anyWrite, benchWriters).slice(ctx, *growthLoad)
	err = errors.Join(err, <-read)
	stop()
	return growthLoadReport{WritesPerSecond: written.perSecond(), MaxWALBytes: <-sizes}, err
}

// residentMemory gives what this process has in memory, and the most it ever had.
func residentMemory() (rssBytes, maxBytes int64, err error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, 0, err
	}
	for line := range bytes.Lines(status) {
		fields := strings.Fields(string(line))
		if len(fields) < 3 || fields[0] != "VmRSS:" && fields[0] != "VmHWM:" {
			continue
		}
		kB, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			return 0, 0, err
		}
		if fields[0] == "VmRSS:" {
			rssBytes = kB << 10
		} else {
			maxBytes = kB << 10
		}
	}
	return rssBytes, maxBytes, nil
}
