package main

import (
	"bytes"
	"flag"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/config"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const (
	readmePath  = "../../README.md"
	docsPath    = "../../docs/configuration.md"
	examplePath = "../../deploy/kvconnect.example.toml"
)

var updateExample = flag.Bool("update-example", false, "write "+examplePath+" anew")

// flagsOfServe gives the flags of serve that are to be seen, with those of the root.
func flagsOfServe(t *testing.T) []string {
	t.Helper()
	root := newRootCommand()
	serve, _, err := root.Find([]string{"serve"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	add := func(flag *pflag.Flag) {
		if !flag.Hidden && flag.Name != "help" && flag.Name != "version" {
			names = append(names, flag.Name)
		}
	}
	root.PersistentFlags().VisitAll(add)
	serve.LocalNonPersistentFlags().VisitAll(add)
	slices.Sort(names)
	return names
}

func TestFlagsInTheReadme(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(readmePath)
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, match := range regexp.MustCompile("(?m)^\\| `--([a-z0-9-]+)[^|`]*(?:\\\\?\\|[^|`]*)*` \\|").FindAllStringSubmatch(string(readme), -1) {
		rows = append(rows, match[1])
	}
	slices.Sort(rows)
	if diff := cmp.Diff(flagsOfServe(t), rows); diff != "" {
		t.Errorf("the table of the README has other flags than serve (-serve +README):\n%s", diff)
	}
}

// The document names every variable, and nothing that looks like one of ours and is none.
func TestVariablesInTheDocument(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(docsPath)
	if err != nil {
		t.Fatal(err)
	}
	want := otherVariables()
	settingsOf(newRootCommand()).VisitAll(func(flag *pflag.Flag) {
		if config.IsConfigurable(flag) {
			want = append(want, config.Variables(flag)...)
		}
	})
	for _, row := range denokvTable() {
		if isVariable := strings.ToUpper(row.name) == row.name; isVariable {
			want = append(want, row.name)
		}
	}
	slices.Sort(want)
	want = slices.Compact(want)
	got := regexp.MustCompile(`\b(?:KVCONNECT_|DENO_KV_)[A-Z0-9_]+\b|\bRUST_LOG\b`).FindAllString(string(text), -1)
	got = slices.DeleteFunc(got, func(name string) bool { return name == "KVCONNECT_SERVICE_HOST" }) // of Kubernetes
	slices.Sort(got)
	if diff := cmp.Diff(want, slices.Compact(got)); diff != "" {
		t.Errorf("%s names other variables than there are (-program +document):\n%s", docsPath, diff)
	}
}

// Whatever the document says of denokv has its row.
func TestDenokvInTheDocument(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(docsPath)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range denokvTable() {
		if !strings.Contains(string(text), "\n| `"+row.name) {
			t.Errorf("%s has no row for %s of denokv", docsPath, row.name)
		}
	}
}

func exampleFile(t *testing.T) []byte {
	t.Helper()
	var example bytes.Buffer
	if err := config.WriteExample(&example, settingsOf(newRootCommand()), configExampleHeader); err != nil {
		t.Fatal(err)
	}
	return example.Bytes()
}

func TestExampleFileIsInStep(t *testing.T) {
	t.Parallel()
	want := exampleFile(t)
	if *updateExample {
		if err := os.WriteFile(examplePath, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("write it anew with: go test ./cmd/kvconnect -run ExampleFile -update-example (-want +got):\n%s", diff)
	}
}

// With its keys no longer commented out, the example says what no file says.
func TestExampleFileHasTheDefaults(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/example.toml"
	text := regexp.MustCompile(`(?m)^#([a-z])`).ReplaceAll(exampleFile(t), []byte("$1"))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	entries, err := config.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	flags := settingsOf(newRootCommand())
	settings, err := config.Resolve(flags, entries, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	if err := config.CheckKeys(flags, entries); err != nil {
		t.Error(err)
	}
	flags.VisitAll(func(flag *pflag.Flag) {
		if !config.IsConfigurable(flag) {
			return
		}
		if settings.From(flag.Name).Kind != config.File {
			t.Errorf("%s is not in the example", flag.Name)
		}
		if settings.ChosenBy(flag.Name).Kind != config.Default {
			t.Errorf("%s is %s in the example, and %s by default", flag.Name, flag.Value, flag.DefValue)
		}
	})
}

// Every flag of serve can be told by its own variable and key: no two share one.
func TestVariablesAreDistinct(t *testing.T) {
	t.Parallel()
	seen := make(map[string]string)
	for _, variable := range otherVariables() {
		seen[variable] = "no flag"
	}
	settingsOf(newRootCommand()).VisitAll(func(flag *pflag.Flag) {
		for _, variable := range config.Variables(flag) {
			if other, taken := seen[variable]; taken {
				t.Errorf("%s is of %s and of %s", variable, other, flag.Name)
			}
			seen[variable] = flag.Name
		}
	})
}

// Commands that operators use on databases take no quotas and the like from the server's file.
func TestSettingsOfOtherCommands(t *testing.T) {
	t.Parallel()
	want := map[string]bool{flagDataDir: true, flagSQLitePath: true, flagAdminURL: true}
	walk(newRootCommand(), func(command *cobra.Command) {
		if command.Annotations[annotationServes] != "" {
			return
		}
		settingsOfCommand(command).VisitAll(func(flag *pflag.Flag) {
			if !want[flag.Name] && !slices.Contains(strings.Split(command.Annotations[annotationSettings], ","), flag.Name) {
				t.Errorf("%s takes %s from the file", command.CommandPath(), flag.Name)
			}
		})
	})
}
