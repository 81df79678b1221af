package bench

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/httpconn"
)

var update = flag.Bool("update", false, "write the golden files anew")

func testOutcome(latency time.Duration, operations int, server *time.Duration, errs ...error) *outcome {
	o := &outcome{errors: make(errorCounts), elapsed: 2 * time.Second}
	for i := range operations {
		o.histogram.Record(latency + time.Duration(i)*time.Microsecond)
	}
	for _, err := range errs {
		o.errors.add(err)
	}
	client := 30 * time.Millisecond
	o.cpu = cpuTimes{server: server, client: &client}
	return o
}

func testReport(t *testing.T, names ...string) *Report {
	t.Helper()
	options := Options{
		Workloads: []string{"reads", "checks", "fanout"}, Duration: 2 * time.Second, Warmup: time.Second, Rounds: 3, Timeout: 10 * time.Second,
		Concurrency: 64, Connections: 1, HTTP: httpconn.HTTP2, Keys: 10_000, ValueBytes: 100, ReadShare: 0.9,
		ContendedKeys: 8, Watchers: 64, WatchedKeys: 2, Seed: 1,
	}
	var sessions []*session
	outcomes := make(map[cell][]*outcome)
	cpu := func(d time.Duration) *time.Duration { return &d }
	for i, name := range names {
		u := &url.URL{Scheme: "http", Host: name + ":4512"}
		s := &session{server: Server{Name: name, URL: u, PID: 7 * i}, database: &database{version: 3}}
		sessions = append(sessions, s)
		slower := i + 1
		for round := range 3 {
			server := cpu(time.Duration(50*slower) * time.Millisecond)
			if i == 2 {
				server = nil
			}
			outcomes[cell{"reads", i}] = append(outcomes[cell{"reads", i}],
				testOutcome(time.Duration(slower*(300+10*round))*time.Microsecond, 3000/slower+100*round, server))
		}
	}
	conflicting := testOutcome(40*time.Millisecond, 5, cpu(time.Second), &statusError{503, "the database\nis locked"}, &statusError{503, ""}, errLate)
	conflicting.conflicts = 12
	outcomes[cell{"checks", 0}] = []*outcome{conflicting}
	for round := range 2 {
		o := testOutcome(time.Duration(40-round)*time.Millisecond, 10+round, cpu(100*time.Millisecond))
		memory := int64(128_000 - 64_000*round)
		o.fanOut = &fanOutResult{watches: 64, opened: time.Duration(1+round) * time.Second, deliveries: uint64(32 * (10 + round)), memoryBytes: &memory}
		for i := range 100 {
			o.fanOut.reads.Record(time.Duration(100+i+100*round) * time.Microsecond)
		}
		outcomes[cell{"fanout", 0}] = append(outcomes[cell{"fanout", 0}], o)
	}
	if len(names) > 1 { // one whose memory is not known
		o := testOutcome(80*time.Millisecond, 10, nil)
		o.fanOut = &fanOutResult{watches: 64, opened: time.Second, deliveries: 320}
		outcomes[cell{"fanout", 1}] = []*outcome{o}
	}
	return newReport(&options, sessions, outcomes, len(names) > 1)
}

func TestGoldenReports(t *testing.T) {
	t.Parallel()
	one, several := testReport(t, "one"), testReport(t, "ours", "denokv", "far")
	for name, write := range map[string]func(*bytes.Buffer) error{
		"one.txt":      func(b *bytes.Buffer) error { return one.WriteTable(b) },
		"several.txt":  func(b *bytes.Buffer) error { return several.WriteTable(b) },
		"one.json":     func(b *bytes.Buffer) error { return writeJSON(b, one) },
		"several.json": func(b *bytes.Buffer) error { return writeJSON(b, several) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got bytes.Buffer
			if err := write(&got); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", name)
			if *update {
				if err := os.WriteFile(path, got.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("(-golden +got; -update takes it over)\n%s", diff)
			}
		})
	}
}

func writeJSON(b *bytes.Buffer, report *Report) error {
	encoder := json.NewEncoder(b)
	encoder.SetIndent("", "  ")
	return encoder.Encode(report)
}

func TestSpread(t *testing.T) {
	t.Parallel()
	figure := func(f Figures) float64 { return f.P50Us }
	figures := func(all ...float64) (out []Figures) {
		for _, us := range all {
			out = append(out, Figures{P50Us: us})
		}
		return out
	}
	for name, c := range map[string]struct {
		other, base []Figures
		want        *Spread
	}{
		"one round":              {figures(3), figures(2), &Spread{1.5, 1.5, 1.5}},
		"round by round":         {figures(10, 2, 9), figures(1, 2, 3), &Spread{3, 1, 10}},
		"two rounds":             {figures(2, 4), figures(1, 1), &Spread{3, 2, 4}},
		"fewer rounds":           {figures(2), figures(1, 1), &Spread{2, 2, 2}},
		"a round without figure": {figures(2, 5), figures(0, 1), &Spread{5, 5, 5}},
		"nothing":                {nil, figures(1), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, spread(c.other, c.base, figure)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
