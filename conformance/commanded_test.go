package conformance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"
)

// overRuntimes runs a test with each runtime, beside one another. The command is what runs
// a program of the folder clients in it.
func overRuntimes(t *testing.T, test func(t *testing.T, runtime clientRuntime)) {
	t.Helper()
	needClients(t)
	for _, runtime := range []clientRuntime{runtimeDeno, runtimeNode} {
		t.Run(string(runtime), func(t *testing.T) {
			t.Parallel()
			test(t, runtime)
		})
	}
}

// clientRuntime is what runs a program.
type clientRuntime string

const (
	runtimeDeno clientRuntime = "Deno"
	runtimeNode clientRuntime = "Node"
)

// program is clients/commanded.ts in a runtime.
type program struct {
	runtime clientRuntime
	stdin   io.WriteCloser
	ended   chan struct{} // closed once it prints no more

	mu        sync.Mutex
	lastID    int                     // guarded by mu, and so are all below
	asked     map[int]chan answerLine // for each command that is not answered
	running   map[int]*running
	unhandled []unhandledError
	notified  chan struct{} // has room for one value; given when unhandled grows
}

// unhandledError is an exception that no code of a program got.
type unhandledError struct {
	at   time.Time
	text string
}

// answerLine is a line that a program prints.
type answerLine struct {
	ID        *int            `json:"id"`
	News      *int            `json:"news"`
	Result    json.RawMessage `json:"result"`
	Value     string          `json:"value"`
	Error     *string         `json:"error"`
	Unhandled *string         `json:"unhandled"`
}

// startProgram starts a program that ends with the test at the latest. env are further
// variables of its environment.
func startProgram(t *testing.T, runtime clientRuntime, env ...string) *program {
	t.Helper()
	needClients(t)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	args := []string{"node", "--import", "tsx", "commanded.ts"}
	if runtime == runtimeDeno {
		args = []string{denoPath(t), "run", "-A", "commanded.ts"}
	}
	command := clientCommand(ctx, target{}, args[0], args[1:]...)
	command.Env = append(command.Env, env...)
	p := &program{
		runtime: runtime, ended: make(chan struct{}), asked: make(map[int]chan answerLine), running: make(map[int]*running),
		notified: make(chan struct{}, 1),
	}
	var err error
	if p.stdin, err = command.StdinPipe(); err != nil {
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
	listened := make(chan error, 1)
	go func() { listened <- p.listen(stdout) }()
	t.Cleanup(func() { p.end(t, command, cancel, listened, &stderr) })
	return p
}

// end ends the program.
func (p *program) end(t *testing.T, command *exec.Cmd, kill func(), listened <-chan error, stderr *bytes.Buffer) {
	t.Helper()
	_ = p.stdin.Close() // fails if the program is gone
	timeout := time.AfterFunc(processPatience, kill)
	defer kill()
	defer timeout.Stop()
	err := errors.Join(<-listened, command.Wait())
	if err != nil || t.Failed() {
		t.Errorf("the program in %s: %v\n%s", p.runtime, err, stderr)
	}
}

// listen takes in what the program prints, until it prints no more.
func (p *program) listen(stdout io.Reader) error {
	defer close(p.ended)
	var err error
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		var line answerLine
		if lineErr := json.Unmarshal(lines.Bytes(), &line); lineErr != nil {
			err = fmt.Errorf("%q: %w", lines.Text(), lineErr)
			continue
		}
		p.take(line, time.Now())
	}
	return err
}

func (p *program) take(line answerLine, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case line.ID != nil:
		p.asked[*line.ID] <- line // has room for one
		delete(p.asked, *line.ID)
	case line.News != nil:
		p.running[*line.News].take(line, now)
	case line.Unhandled != nil:
		p.unhandled = append(p.unhandled, unhandledError{now, *line.Unhandled})
		select {
		case p.notified <- struct{}{}:
		default:
		}
	}
}

// unhandledErrors gives the exceptions so far that no code of the program got.
func (p *program) unhandledErrors() []unhandledError {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.unhandled)
}

// awaitUnhandled waits until there is an exception that no code of the program got.
func (p *program) awaitUnhandled(t *testing.T) unhandledError {
	t.Helper()
	timeout := time.After(processPatience)
	for {
		if errs := p.unhandledErrors(); len(errs) > 0 {
			return errs[0]
		}
		select {
		case <-p.notified:
		case <-p.ended:
			t.Fatalf("the program in %s ended before there was an unhandled exception", p.runtime)
		case <-timeout:
			t.Fatalf("there was no unhandled exception in %s", p.runtime)
		}
	}
}

// order is a command for a program.
type order struct {
	ID    int    `json:"id"`
	Op    string `json:"op"`
	KV    int    `json:"kv"`
	URL   string `json:"url"`
	Token string `json:"token"`
	Key   string `json:"key"`
	Value string `json:"value"`
	Bytes int    `json:"bytes"`
	Raw   bool   `json:"raw"`
}

// programError is the text of an exception.
type programError string

// Error implements error.
func (e programError) Error() string { return string(e) }

// ask has a command carried out and decodes its result, unless that is nil. It fails with
// a programError. News of what the command begins go to r, if it is not nil.
func (p *program) ask(t *testing.T, o order, r *running, result any) error {
	t.Helper()
	answer := make(chan answerLine, 1)
	p.mu.Lock()
	p.lastID++
	o.ID = p.lastID
	p.asked[o.ID] = answer
	if r != nil {
		r.id = o.ID
		p.running[o.ID] = r
	}
	p.mu.Unlock()
	line, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.stdin.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	select {
	case line := <-answer:
		if line.Error != nil {
			return programError(*line.Error)
		}
		if result != nil {
			if err := json.Unmarshal(line.Result, result); err != nil {
				t.Fatalf("the result %s: %v", line.Result, err)
			}
		}
		return nil
	case <-p.ended:
		t.Fatalf("the program in %s ended before it answered to %s", p.runtime, o.Op)
	case <-time.After(processPatience):
		t.Fatalf("the program in %s does not answer to %s", p.runtime, o.Op)
	}
	return nil
}

// tryOpen opens a database, and gives the exception if that fails.
func (p *program) tryOpen(t *testing.T, url, token string) (*programKv, error) {
	t.Helper()
	kv := &programKv{program: p}
	err := p.ask(t, order{Op: "open", URL: url, Token: token}, nil, &kv.number)
	return kv, err
}

// open opens a database, which must succeed.
func (p *program) open(t *testing.T, url, token string) *programKv {
	t.Helper()
	kv, err := p.tryOpen(t, url, token)
	if err != nil {
		t.Fatalf("open %s in %s: %v", url, p.runtime, err)
	}
	return kv
}
