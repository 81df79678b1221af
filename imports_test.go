// Package repository_test holds what must be true of the repository as a whole.
package repository_test

import (
	"bytes"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/kvconnect/kvconnect/"

// allowedImports says which packages of ours a package may depend on, through
// others too. A package that is not here may not exist: a new one needs a
// capability that none of these can hold.
var allowedImports = map[string][]string{
	"protocol":          {"protocol/datapath", "protocol/v8value"},
	"protocol/datapath": {},
	"protocol/v8value":  {},
	"access":            {"protocol", "protocol/datapath", "protocol/v8value"},
	"transport":         {},
	"kvconnect":         {"access", "protocol", "protocol/datapath", "protocol/v8value", "transport"},
	"sqlitebackend": {
		"protocol", "protocol/datapath", "protocol/v8value",
		"sqlitebackend/internal/inode", "sqlitebackend/internal/statement",
	},
	"sqlitebackend/internal/inode":     {},
	"sqlitebackend/internal/statement": {},
	"auth":                             {"access", "protocol", "protocol/datapath", "protocol/v8value"},
	"control":                          {"access", "auth", "protocol", "protocol/datapath", "protocol/v8value"},
	"databases": {
		"access", "kvconnect", "protocol", "protocol/datapath", "protocol/v8value", "transport",
	},
	"metrics":     {"access", "kvconnect", "protocol", "protocol/datapath", "protocol/v8value", "transport"},
	"conformance": {"access", "kvconnect", "protocol", "protocol/datapath", "protocol/v8value", "transport"},
	"cmd/kvconnect": {
		"access", "auth", "control", "databases", "kvconnect", "metrics",
		"protocol", "protocol/datapath", "protocol/v8value",
		"sqlitebackend", "sqlitebackend/internal/inode", "sqlitebackend/internal/statement", "transport",
		"cmd/kvconnect/internal/admin", "cmd/kvconnect/internal/bench", "cmd/kvconnect/internal/certificate",
		"cmd/kvconnect/internal/config", "cmd/kvconnect/internal/datadir", "cmd/kvconnect/internal/doctor",
		"cmd/kvconnect/internal/httpconn", "cmd/kvconnect/internal/service",
	},
	"cmd/kvconnect/internal/admin": {
		"access", "auth", "control", "databases", "kvconnect", "protocol", "protocol/datapath", "protocol/v8value",
		"sqlitebackend", "sqlitebackend/internal/inode", "sqlitebackend/internal/statement", "transport", "cmd/kvconnect/internal/datadir",
	},
	"cmd/kvconnect/internal/bench": {
		"cmd/kvconnect/internal/httpconn", "protocol", "protocol/datapath", "protocol/v8value",
	},
	"cmd/kvconnect/internal/certificate": {},
	"cmd/kvconnect/internal/config":      {},
	"cmd/kvconnect/internal/datadir": {
		"access", "auth", "control", "databases", "kvconnect", "protocol", "protocol/datapath", "protocol/v8value",
		"sqlitebackend", "sqlitebackend/internal/inode", "sqlitebackend/internal/statement", "transport",
	},
	"cmd/kvconnect/internal/doctor": {
		"access", "auth", "control", "databases", "kvconnect", "protocol", "protocol/datapath", "protocol/v8value",
		"sqlitebackend", "sqlitebackend/internal/inode", "sqlitebackend/internal/statement", "transport",
		"cmd/kvconnect/internal/admin", "cmd/kvconnect/internal/certificate", "cmd/kvconnect/internal/datadir",
	},
	"cmd/kvconnect/internal/httpconn": {},
	"cmd/kvconnect/internal/service": {
		"access", "auth", "control", "databases", "kvconnect", "metrics",
		"protocol", "protocol/datapath", "protocol/v8value",
		"sqlitebackend", "sqlitebackend/internal/inode", "sqlitebackend/internal/statement", "transport",
		"cmd/kvconnect/internal/admin", "cmd/kvconnect/internal/certificate", "cmd/kvconnect/internal/datadir",
	},
}

func TestImportRules(t *testing.T) {
	t.Parallel()
	for _, name := range goList(t, "{{.ImportPath}}", "./...") {
		if name+"/" == module {
			continue // this package, which is its tests alone
		}
		name = strings.TrimPrefix(name, module)
		allowed, known := allowedImports[name]
		if !known {
			t.Errorf("package %s has no rule", name)
			continue
		}
		for _, dependency := range goList(t, "{{.ImportPath}}", "-deps", module+name) {
			ours, isOurs := strings.CutPrefix(dependency, module)
			if isOurs && ours != name && !slices.Contains(allowed, ours) {
				t.Errorf("package %s may not depend on %s", name, ours)
			}
		}
	}
}

func goList(t *testing.T, format string, args ...string) []string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", append([]string{"list", "-f", format}, args...)...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	return strings.Fields(string(output))
}
