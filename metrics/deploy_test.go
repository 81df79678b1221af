package metrics_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kvconnect/kvconnect/metrics"
	dto "github.com/prometheus/client_model/go"
	"go.yaml.in/yaml/v3"
)

// deploy is the folder of what operators are given.
const deploy = "../deploy"

// vocabularyOf is what may be asked of a server that has told of all that there is to tell.
func vocabularyOf(t *testing.T) vocabulary {
	t.Helper()
	m := metrics.New(metrics.Options{PerDatabase: true})
	exercise(m)
	known := vocabulary{"up": {}}
	for name, family := range families(t, m) {
		labels := make(map[string][]string)
		for _, series := range family.GetMetric() {
			for _, label := range series.GetLabel() {
				labels[label.GetName()] = append(labels[label.GetName()], label.GetValue())
			}
		}
		known[name] = labels
		if family.GetType() == dto.MetricType_HISTOGRAM {
			known[name+"_sum"], known[name+"_count"] = labels, labels
			known[name+"_bucket"] = map[string][]string{"le": nil}
			for label, values := range labels {
				known[name+"_bucket"][label] = values
			}
			delete(known, name) // which is a native histogram, that not everybody scrapes
		}
	}
	return known
}

// The check of queries finds what is misspelt.
func TestVocabulary(t *testing.T) {
	t.Parallel()
	known := vocabularyOf(t)
	for query, want := range map[string]string{
		`sum by (method) (rate(kvconnect_requests_total{job="$job",instance=~"$instance",status=~"5.."}[$__rate_interval]))`: "",
		`histogram_quantile(0.99, sum by (le) (rate(kvconnect_commit_duration_seconds_bucket[5m]))) > 0.5`:                   "",
		`kvconnect_wal_bytes > 1e9 and on (instance) up == 1`:                                                                "",
		`kvconnect_request_total`:                                  "there is no kvconnect_request_total",
		`kvconnect_commit_duration_seconds`:                        "there is no",
		`kvconnect_wal_bytes_bucket`:                               "there is no",
		`sum by (methods) (kvconnect_requests_total)`:              "there is no label methods",
		`sum by (method) (kvconnect_wal_bytes)`:                    "there is no label method",
		`sum by (le) (kvconnect_commit_duration_seconds_count)`:    "there is no label le",
		`kvconnect_requests_total{code="200"}`:                     "has no label code",
		`kvconnect_wal_bytes{method="watch"}`:                      "has no label method",
		`kvconnect_requests_total{status="200",method="snapshot"}`: `has the label method="snapshot"`,
		`rat(kvconnect_requests_total[5m])`:                        "there is no rat",
		`summ by (method) (kvconnect_requests_total)`:              "there is no summ",
		`kvconnect_requests_total{status="200"`:                    "not closed",
		`kvconnect_wal_bytes / kvconnect_wal_byte`:                 "there is no kvconnect_wal_byte",
		`1 > 0`: "asks for nothing",
	} {
		err := known.check(query)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", query, err, want)
		}
	}
}

// dashboard is what of a dashboard the test looks at.
type dashboard struct {
	Panels     []panel `json:"panels"`
	Templating struct {
		List []struct {
			Name       string `json:"name"`
			Definition string `json:"definition"`
		} `json:"list"`
	} `json:"templating"`
}

type panel struct {
	ID          int    `json:"id"`
	Type        string `json:"type"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Targets     []struct {
		Expr  string `json:"expr"`
		RefID string `json:"refId"`
	} `json:"targets"`
	GridPos struct {
		X int `json:"x"`
		W int `json:"w"`
	} `json:"gridPos"`
}

func TestDashboard(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join(deploy, "grafana", "kvconnect.json"))
	if err != nil {
		t.Fatal(err)
	}
	var board dashboard
	if err := json.Unmarshal(data, &board); err != nil {
		t.Fatal(err)
	}
	known := vocabularyOf(t)
	asked := make(map[string]bool)
	ids := make(map[int]bool)
	for _, p := range board.Panels {
		if ids[p.ID] || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %q has the id of another, or no place", p.Title)
		}
		ids[p.ID] = true
		if p.Type == "row" {
			continue
		}
		if p.Description == "" || len(p.Targets) == 0 {
			t.Errorf("panel %q does not say what it shows, or shows nothing", p.Title)
		}
		refs := make(map[string]bool)
		for _, target := range p.Targets {
			if refs[target.RefID] || target.RefID == "" {
				t.Errorf("panel %q has two queries called %q", p.Title, target.RefID)
			}
			refs[target.RefID] = true
			if err := known.check(target.Expr); err != nil {
				t.Errorf("panel %q: %v: %s", p.Title, err, target.Expr)
			}
			for _, token := range promQLToken.FindAllString(target.Expr, -1) {
				asked[familyOf(token)] = true
			}
		}
	}
	for _, variable := range board.Templating.List {
		query, isQuery := strings.CutPrefix(variable.Definition, "label_values(")
		metric, _, _ := strings.Cut(query, ",")
		if err := known.check(metric); isQuery && err != nil {
			t.Errorf("variable %s: %v", variable.Name, err)
		}
	}
	// What is measured is shown, but for the id of a key, which is for the curious.
	for name := range known {
		if family := familyOf(name); strings.HasPrefix(name, "kvconnect_") && !asked[family] && name != "kvconnect_signing_key_info" {
			t.Errorf("no panel shows %s", family)
		}
	}
}

// familyOf gives the name of a histogram for its parts.
func familyOf(name string) string {
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		name = strings.TrimSuffix(name, suffix)
	}
	return name
}

// alertRules is a file of rules.
type alertRules struct {
	Groups []struct {
		Name  string `yaml:"name"`
		Rules []struct {
			Alert       string            `yaml:"alert"`
			Expr        string            `yaml:"expr"`
			For         string            `yaml:"for"`
			Labels      map[string]string `yaml:"labels"`
			Annotations map[string]string `yaml:"annotations"`
		} `yaml:"rules"`
	} `yaml:"groups"`
}

// readAlerts gives the rules that operators are given.
func readAlerts(t *testing.T) alertRules {
	t.Helper()
	var rules alertRules
	readYAML(t, "alerts.yml", &rules)
	return rules
}

// readYAML reads a file of Prometheus, in which nothing is to be that value does not know.
func readYAML(t *testing.T, name string, value any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(deploy, "prometheus", name))
	if err != nil {
		t.Fatal(err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(value); err != nil {
		t.Fatal(err)
	}
}

func TestAlerts(t *testing.T) {
	t.Parallel()
	rules := readAlerts(t)
	known := vocabularyOf(t)
	names := make(map[string]bool)
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			if names[rule.Alert] || !strings.HasPrefix(rule.Alert, "Kvconnect") {
				t.Errorf("%s is there twice, or is not ours", rule.Alert)
			}
			names[rule.Alert] = true
			if err := known.check(rule.Expr); err != nil {
				t.Errorf("%s: %v: %s", rule.Alert, err, rule.Expr)
			}
			if !slices.Contains([]string{"page", "ticket"}, rule.Labels["severity"]) {
				t.Errorf("%s has the severity %q", rule.Alert, rule.Labels["severity"])
			}
			if rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
				t.Errorf("%s does not say what is wrong, or what to do", rule.Alert)
			}
			if want := "/docs/operations.md#" + strings.ToLower(rule.Alert); !strings.HasSuffix(rule.Annotations["runbook_url"], want) {
				t.Errorf("%s names the section %s, not %s", rule.Alert, rule.Annotations["runbook_url"], want)
			}
		}
	}
	if len(names) == 0 {
		t.Error("there are none")
	}
}

// Prometheus itself takes the rules, and they tell of what they are for.
func TestAlertsWithPromtool(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not on PATH")
	}
	for _, args := range [][]string{{"check", "config", "prometheus.yml"}, {"test", "rules", "alerts_test.yml"}} {
		command := exec.CommandContext(t.Context(), promtool, args...)
		command.Dir = filepath.Join(deploy, "prometheus")
		if output, err := command.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, output)
		}
	}
}
