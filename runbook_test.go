package repository_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// runbookLine is the first column of the table of log lines.
var runbookLine = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")

// Operators find each line of the log in the runbook, and no other.
func TestRunbookHasEachLogLine(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(page), "\n## What each log line means\n")
	if !found {
		t.Fatal("the runbook has no table of log lines")
	}
	table, _, _ = strings.Cut(table, "\n## ")
	documented := make(map[string]bool)
	for _, row := range runbookLine.FindAllStringSubmatch(table, -1) {
		documented[row[1]] = true
	}
	logged := logMessages(t)
	for message := range logged {
		if !documented[message] {
			t.Errorf("the runbook does not explain %q", message)
		}
	}
	for message := range documented {
		if !logged[message] {
			t.Errorf("nothing logs %q", message)
		}
	}
}

// logMessages gives the messages of all lines that the program logs: constants, as a linter
// sees to.
func logMessages(t *testing.T) map[string]bool {
	t.Helper()
	messages := make(map[string]bool)
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == "conformance" || strings.HasPrefix(entry.Name(), ".") && path != "."):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(node ast.Node) bool {
			if call, ok := node.(*ast.CallExpr); ok {
				addMessages(call, messages)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return messages
}

// addMessages adds the messages of a call of a logger.
func addMessages(call *ast.CallExpr, messages map[string]bool) {
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || !isLogger(method.X) {
		return
	}
	switch method.Sel.Name {
	case "Debug", "Info", "Warn", "Error", "DebugContext", "InfoContext", "WarnContext", "ErrorContext", "Log", "LogAttrs":
	default:
		return
	}
	for _, argument := range call.Args {
		if literal, ok := argument.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			message, _ := strconv.Unquote(literal.Value)
			messages[message] = true
			return // the others are names of attributes
		}
	}
}

// isLogger tells whether an expression is named as loggers are.
func isLogger(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.Ident:
		return strings.EqualFold(x.Name, "logger")
	case *ast.SelectorExpr:
		return strings.EqualFold(x.Sel.Name, "logger")
	default:
		return false
	}
}
