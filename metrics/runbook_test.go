package metrics_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// readRunbook gives the sections of docs/operations.md, by their headings.
func readRunbook(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := make(map[string]string)
	for _, section := range strings.Split("\n"+string(data), "\n## ")[1:] {
		heading, text, _ := strings.Cut(section, "\n")
		sections[heading] = text
	}
	return sections
}

// Each alert has a section in the runbook, in the order of the rules, to which its link leads.
func TestRunbookHasEachAlert(t *testing.T) {
	t.Parallel()
	var alerts, headings []string
	rules := readAlerts(t)
	sections := strings.Split(readRunbook(t)["What each alert means"], "\n### ")[1:]
	anchors := make(map[string]bool)
	for _, section := range sections {
		heading, text, _ := strings.Cut(section, "\n")
		headings = append(headings, heading)
		anchors[strings.ToLower(heading)] = true // which is how anchors are made of one word
		for _, part := range []string{"**Means:**", "notice:**", "\n1. ", "**Change it"} {
			if !strings.Contains(text, part) {
				t.Errorf("the section of %s has no %q", heading, part)
			}
		}
		for _, rule := range rules.Groups[0].Rules {
			if rule.Alert == heading && !strings.Contains(text, "\n*"+rule.Labels["severity"]+".*") {
				t.Errorf("the section of %s has not its severity, %s", heading, rule.Labels["severity"])
			}
		}
	}
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			alerts = append(alerts, rule.Alert)
			if _, anchor, _ := strings.Cut(rule.Annotations["runbook_url"], "#"); !anchors[anchor] {
				t.Errorf("the link of %s leads nowhere: %s", rule.Alert, rule.Annotations["runbook_url"])
			}
		}
	}
	if !slices.Equal(alerts, headings) {
		t.Errorf("the runbook has the sections\n%q, and the alerts are\n%q", headings, alerts)
	}
}

// The queries of the runbook ask for what there is.
func TestRunbookQueries(t *testing.T) {
	t.Parallel()
	known := vocabularyOf(t)
	fenced := regexp.MustCompile("(?s)```promql\n(.*?)```")
	inline := regexp.MustCompile("`([^`]*kvconnect_[a-z_]+[^`]*)`")
	sections := readRunbook(t)
	var queries []string
	for _, match := range fenced.FindAllStringSubmatch(sections["Read the metrics"], -1) {
		queries = append(queries, match[1])
	}
	for _, match := range inline.FindAllStringSubmatch(sections["What each alert means"], -1) {
		if !strings.Contains(match[1], "curl") {
			queries = append(queries, match[1])
		}
	}
	if len(queries) < 20 {
		t.Errorf("there are %d queries", len(queries))
	}
	for _, query := range queries {
		if err := known.check(query); err != nil {
			t.Errorf("%v: %s", err, query)
		}
	}
}

// Each alert is known to be quiet in one case, and to fire in another.
func TestEachAlertHasCases(t *testing.T) {
	t.Parallel()
	var cases struct {
		RuleFiles          []string `yaml:"rule_files"`
		EvaluationInterval string   `yaml:"evaluation_interval"`
		Tests              []struct {
			Name        string           `yaml:"name"`
			Interval    string           `yaml:"interval"`
			InputSeries []map[string]any `yaml:"input_series"`
			Alerts      []struct {
				EvalTime  string           `yaml:"eval_time"`
				AlertName string           `yaml:"alertname"`
				Expected  []map[string]any `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
			Queries []struct {
				Expr     string `yaml:"expr"`
				EvalTime string `yaml:"eval_time"`
				Expected []struct {
					Labels string  `yaml:"labels"`
					Value  float64 `yaml:"value"`
				} `yaml:"exp_samples"`
			} `yaml:"promql_expr_test"`
		} `yaml:"tests"`
	}
	readYAML(t, "alerts_test.yml", &cases)
	quiet, firing := make(map[string]bool), make(map[string]bool)
	fires := regexp.MustCompile(`alertname="(\w+)", alertstate="firing"`)
	for _, test := range cases.Tests {
		for _, alert := range test.Alerts {
			quiet[alert.AlertName] = len(alert.Expected) == 0
		}
		for _, query := range test.Queries {
			for _, sample := range query.Expected {
				if match := fires.FindStringSubmatch(sample.Labels); match != nil {
					firing[match[1]] = true
				}
			}
		}
	}
	for _, group := range readAlerts(t).Groups {
		for _, rule := range group.Rules {
			if !quiet[rule.Alert] || !firing[rule.Alert] {
				t.Errorf("%s is tried when it is to be quiet: %v, when it is to fire: %v", rule.Alert, quiet[rule.Alert], firing[rule.Alert])
			}
		}
	}
}
