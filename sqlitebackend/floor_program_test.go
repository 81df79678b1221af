package sqlitebackend_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// floorProgram is testdata/floor/floor.c at work on a file of its own.
type floorProgram struct {
	input  io.Writer
	output *bufio.Reader
}

// startFloor starts the program on a copy of the file at path, which nobody may have
// open. It ends with the test.
func startFloor(t *testing.T, program, path string) *floorProgram {
	t.Helper()
	copied := path + "-floor"
	content, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(copied, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), program, copied, strconv.Itoa(benchKeys))
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = input.Close()  // which tells it to end
		_ = command.Wait() // or the end of the test has killed it by now
	})
	return &floorProgram{input: input, output: bufio.NewReader(output)}
}

// slice has the program work for about as long as d says.
func (p *floorProgram) slice(work string, d time.Duration) (slice, error) {
	if _, err := fmt.Fprintln(p.input, work, d.Milliseconds()); err != nil {
		return slice{}, err
	}
	var s slice
	_, err := fmt.Fscanln(p.output, &s.operations, &s.wall, &s.cpu)
	if err != nil {
		err = fmt.Errorf("the floor's answer to %s: %w", work, err)
	}
	return s, err
}
