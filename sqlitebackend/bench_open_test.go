package sqlitebackend_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// makeSmall makes the file of a database of one key, and gives its path.
func makeSmall(tb testing.TB) (path string) {
	tb.Helper()
	path = filepath.Join(tb.TempDir(), "kv.sqlite")
	backend := openToMeasure(tb, sqlitebackend.Options{Path: path})
	if err := writeFirst(tb.Context(), backend); err != nil {
		tb.Fatal(err)
	}
	if err := backend.Close(); err != nil {
		tb.Fatal(err)
	}
	return path
}

func writeFirst(ctx context.Context, backend *sqlitebackend.Backend) error {
	return write(ctx, backend, protocol.AtomicWrite{Mutations: []protocol.Mutation{set(benchKey(0), "1")}})
}

func readFirst(ctx context.Context, backend *sqlitebackend.Backend) error {
	return readEntries(ctx, backend, oneRange(benchKey(0), "\xff", 1), 1)
}

// BenchmarkOpen opens a small database that is there, serves one request and closes it:
// what a server of many databases does with one that is used now and then.
func BenchmarkOpen(b *testing.B) {
	for name, request := range map[string]func(context.Context, *sqlitebackend.Backend) error{
		"read": readFirst, "write": writeFirst,
	} {
		b.Run(name, func(b *testing.B) {
			path := makeSmall(b)
			benchmark(b, func(ctx context.Context, _ int) error {
				backend, err := sqlitebackend.Open(sqlitebackend.Options{Path: path})
				if err != nil {
					return err
				}
				if err := request(ctx, backend); err != nil {
					return err
				}
				return backend.Close()
			})
		})
	}
}

// BenchmarkIdle has many databases open that have served one read each, and reports what
// each of them holds meanwhile.
func BenchmarkIdle(b *testing.B) {
	if runtime.GOOS != "linux" {
		b.Skip("memory and files are read from /proc")
	}
	const databases = 200
	paths := make([]string, databases)
	for i := range paths {
		paths[i] = makeSmall(b)
	}
	for b.Loop() {
		rssBefore, filesBefore := held(b)
		for _, path := range paths {
			backend := openToMeasure(b, sqlitebackend.Options{Path: path})
			if err := readFirst(b.Context(), backend); err != nil {
				b.Fatal(err)
			}
		}
		rss, files := held(b)
		b.ReportMetric(float64(rss-rssBefore)/databases/1000, "kB/database")
		b.ReportMetric(float64(files-filesBefore)/databases, "files/database")
	}
}

// held gives the memory and the number of open files of this process.
func held(tb testing.TB) (rssBytes int64, files int) {
	tb.Helper()
	runtime.GC()
	rssBytes, _, err := residentMemory()
	if err != nil {
		tb.Fatal(err)
	}
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		tb.Fatal(err)
	}
	return rssBytes, len(open)
}
