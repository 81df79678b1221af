package doctor_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/doctor"
	"github.com/kvconnect/kvconnect/sqlitebackend"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// database makes one and gives its path.
func database(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "kv")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "kv.sqlite")
	backend, err := sqlitebackend.Open(sqlitebackend.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := backend.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func examine(ctx context.Context, path string, now time.Time) doctor.Report {
	return doctor.Run(ctx, doctor.Options{SQLitePath: path, Addr: "127.0.0.1:0", Now: func() time.Time { return now }})
}

func finding(t *testing.T, report doctor.Report, check string) doctor.Finding {
	t.Helper()
	i := slices.IndexFunc(report.Findings, func(f doctor.Finding) bool { return f.Check == check })
	if i < 0 {
		t.Fatalf("there is no check %q in %+v", check, report)
	}
	return report.Findings[i]
}

func TestClock(t *testing.T) {
	t.Parallel()
	path := database(t)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	written := info.ModTime()
	for name, c := range map[string]struct {
		now    time.Time
		isFail bool
	}{
		"right":                   {written.Add(time.Hour), false},
		"a grain behind the file": {written.Add(-time.Second), false},
		"behind the file":         {written.Add(-time.Hour), true},
		"never set":               {time.Unix(0, 0), true},
		"far in the future":       {time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if f := finding(t, examine(t.Context(), path, c.now), "clock"); (f.Status == doctor.Fail) != c.isFail {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if f := finding(t, examine(ctx, database(t), time.Now()), "file"); f.Status != doctor.Fail || f.Advice != "run it again" {
		t.Errorf("%+v", f)
	}
}

func TestTextIsAligned(t *testing.T) {
	t.Parallel()
	report := examine(t.Context(), filepath.Join(t.TempDir(), "none.sqlite"), time.Now())
	var text bytes.Buffer
	if err := report.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(text.String()), "\n")
	column := strings.Index(lines[0], report.Findings[0].Found)
	for _, line := range lines[:len(lines)-2] { // after it, an empty one and the summary
		if column < 0 || len(line) <= column || line[column] == ' ' || line[column-1] != ' ' {
			t.Errorf("%q does not begin what was found in column %d", line, column)
		}
	}
	if report.Failures == 0 {
		t.Error("a file that is not there is no failure")
	}
}
