package conformance

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"testing"
)

// dialog is what is done for a program at each line that it prints to ask for it. What
// it gives is the line that the program waits for.
type dialog map[string]func() string

// run runs a program of the folder clients to its end, which must be a success with "ok"
// for its last line.
func (d dialog) run(t *testing.T, server target, name string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), clientPatience)
	defer cancel()
	command := clientCommand(ctx, server, name, args...)
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	command.Stderr = &stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	var last string
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		last = lines.Text()
		answer, ok := d[last]
		if !ok {
			continue
		}
		if _, err := fmt.Fprintln(stdin, answer()); err != nil {
			t.Fatal(err)
		}
	}
	if err := command.Wait(); err != nil || last != "ok" {
		t.Fatalf("the program ended with %v, its last line is %q\n%s", err, last, &stderr)
	}
}
