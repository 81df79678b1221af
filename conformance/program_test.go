package conformance

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"testing"
)

// needProgram gives the path of a program that not every machine has, and skips the test
// without it. install says how to get it.
func needProgram(t *testing.T, name, install string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("needs " + name)
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not on PATH: %s", name, install)
	}
	return path
}

// runProgram runs a program to its end, which must be a success, and gives what it
// printed on its standard output.
func runProgram(t *testing.T, path string, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), clientPatience)
	defer cancel()
	command := exec.CommandContext(ctx, path, args...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", path, strings.Join(args, " "), err, &stderr)
	}
	return stdout.Bytes()
}
