package sqlitebackend_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/mattn/go-sqlite3"
)

// machine tells what measurements depend on.
func machine(t *testing.T) string {
	t.Helper()
	driver, err := exec.CommandContext(t.Context(), "go", "list", "-m", "github.com/mattn/go-sqlite3").Output()
	if err != nil {
		t.Fatal(err)
	}
	sqlite, _, _ := sqlite3.Version()
	return fmt.Sprintf("%s, %d processors, %s/%s, kernel %s; %s, SQLite %s (%s)",
		processorModel(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, kernel(), runtime.Version(), sqlite,
		strings.TrimSpace(string(driver)))
}

// processorModel is what Linux says; elsewhere nobody is asked.
func processorModel() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

func kernel() string {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(release))
}
