package kvconnect

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

// A sentinel that is missing from the table would become a 500, which clients
// repeat for ever.
func TestEverySentinelHasAStatus(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "../protocol/errors.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile("status.go")
	if err != nil {
		t.Fatal(err)
	}
	sentinels := 0
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return true
		}
		sentinels++
		// Those with a type are an ErrUnavailable.
		if name := spec.Names[0].Name; spec.Type == nil && !strings.Contains(string(table), "{protocol."+name+", http.Status") {
			t.Errorf("protocol.%s has no row in the table", name)
		}
		return true
	})
	const own = 2 // rows of errors that only this package has
	if sentinels < len(statuses)-own {
		t.Errorf("found %d sentinels for %d rows", sentinels, len(statuses))
	}
}

// Reasons are labels of metrics: words in snake case, of which no two are alike.
func TestReasons(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, reason := range Reasons() {
		if reason == "" || strings.Trim(reason, "abcdefghijklmnopqrstuvwxyz_") != "" || seen[reason] {
			t.Errorf("reason %q is not in snake case, or there twice", reason)
		}
		seen[reason] = true
	}
}
