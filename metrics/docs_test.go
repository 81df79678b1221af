package metrics_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/kvconnect/kvconnect/metrics"
)

// The table of docs/metrics.md has each metric of ours as it is, and no other.
func TestDocs(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "| `kvconnect_") {
			got = append(got, strings.TrimSuffix(line, "\n"))
		}
	}
	m := metrics.New(metrics.Options{PerDatabase: true})
	exercise(m)
	known := families(t, m)
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if !strings.HasPrefix(name, "kvconnect_") {
			continue
		}
		var labels []string
		for _, label := range known[name].GetMetric()[0].GetLabel() {
			labels = append(labels, "`"+label.GetName()+"`")
		}
		want = append(want, fmt.Sprintf("| %#q | %s | %s | %s |",
			name, strings.ToLower(known[name].GetType().String()), strings.Join(labels, ", "), known[name].GetHelp()))
	}
	if !slices.Equal(got, want) {
		t.Errorf("docs/metrics.md should have the rows\n%s", strings.Join(want, "\n"))
	}
}
