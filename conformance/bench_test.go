package conformance

import (
	"bytes"
	"encoding/json"
	"net/http"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
)

// benchReport is what clients/bench.ts --json prints.
type benchReport struct {
	Results []struct {
		Case       string  `json:"case"`
		InFlight   int     `json:"in_flight"`
		Server     string  `json:"server"`
		Operations int     `json:"operations"`
		PerSecond  float64 `json:"operations_per_second"`
		P50Us      float64 `json:"p50_us"`
		P99Us      float64 `json:"p99_us"`
		Rounds     []any   `json:"rounds"`
	} `json:"results"`
	Ratios []struct {
		Server    string `json:"server"`
		Base      string `json:"base"`
		PerSecond struct {
			Lowest  float64 `json:"lowest"`
			Median  float64 `json:"median"`
			Highest float64 `json:"highest"`
		} `json:"operations_per_second"`
	} `json:"ratios"`
}

func TestDenoBench(t *testing.T) {
	t.Parallel()
	needClients(t)
	first := startProcess(t, filepath.Join(t.TempDir(), "kv.sqlite"))
	second := startProcess(t, filepath.Join(t.TempDir(), "kv.sqlite"))
	output := runClient(t, target{}, denoPath(t), "run", "-A", "--unstable-kv", "bench.ts", "--seconds", "0.02", "--rounds", "2",
		"--in-flight", "3", "--keys", "510", "--json", "--access-token", processToken, "ours="+first.url, second.url)
	var report benchReport
	if err := json.Unmarshal([]byte(output), &report); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	if len(report.Results) != 24 || len(report.Ratios) != 12 {
		t.Errorf("%d results and %d ratios, want those of 6 calls, one after another and at once, on 2 servers", len(report.Results), len(report.Ratios))
	}
	for _, r := range report.Results {
		if r.Operations == 0 || r.PerSecond <= 0 || r.P50Us <= 0 || r.P99Us < r.P50Us || len(r.Rounds) != 2 {
			t.Errorf("a result says %+v", r)
		}
	}
	for _, r := range report.Ratios {
		if s := r.PerSecond; r.Base != "ours" || r.Server == "ours" || s.Lowest <= 0 || s.Lowest > s.Median || s.Median > s.Highest {
			t.Errorf("a ratio says %+v", r)
		}
	}
	wantEmpty(t, first)
	wantEmpty(t, second)

	table := runClient(t, first.target(), denoPath(t), "run", "-A", "--unstable-kv", "bench.ts", "--seconds", "0.01", "--rounds", "1", first.url)
	if !regexp.MustCompile(`(?m)^  list500 ×64 +127\.0\.0\.1:\d+ +\d+ +[\d.]+ ms +[\d.]+ ms$`).MatchString(table) {
		t.Errorf("the table is\n%s", table)
	}
}

// wantEmpty checks that nothing is stored.
func wantEmpty(t *testing.T, server *process) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	database, err := openHTTP(t.Context(), client, server.url, processToken)
	if err != nil {
		t.Fatal(err)
	}
	output, err := database.snapshotRead(t.Context(), protocol.SnapshotRead{
		Ranges: []protocol.ReadRange{{Start: []byte{0}, End: bytes.Repeat([]byte{0xff}, 4), Limit: 10}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if left := output.Ranges[0]; len(left) > 0 {
		t.Errorf("%d keys are left, such as %q", len(left), left[0].Key)
	}
}
