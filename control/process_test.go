package control_test

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/kvconnect/kvconnect/control"
)

var (
	processPath = flag.String("process.path", "", "the file that TestProcess opens, for the tests that start it")
	processSeed = flag.Uint64("process.seed", 0, "the seed of the steps that TestProcess takes; none if 0")
	killRounds  = flag.Int("kill.rounds", 0, "how many processes TestKill kills; 0 for 20, or 6 with -short")
	killSeed    = flag.Uint64("kill.seed", 0, "makes the choices of TestKill those of an earlier run; 0 for new ones")
)

// What TestProcess says.
const (
	sayOpen    = "open"
	sayInUse   = "in use"
	sayStepped = "stepped"
)

// process is TestProcess in a process of its own.
type process struct {
	command *exec.Cmd
	input   io.Closer
	lines   *bufio.Scanner
}

// startProcess has another process open the file at path and, with a seed, take steps until
// it is killed.
func startProcess(t *testing.T, path string, seed uint64) *process {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProcess$", "-test.timeout=0",
		"-process.path="+path, "-process.seed="+strconv.FormatUint(seed, 10))
	command.Stderr = os.Stderr
	input, err := command.StdinPipe() // held open: the process waits for its end
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
	p := &process{command, input, bufio.NewScanner(output)}
	t.Cleanup(func() { p.kill(t) })
	return p
}

// said gives the next line of the process, "" if it has ended.
func (p *process) said() string {
	p.lines.Scan()
	return p.lines.Text()
}

// kill ends the process, and gives how many lines it said until then. Killing it twice does
// nothing.
func (p *process) kill(t *testing.T) (lines int) {
	t.Helper()
	if err := p.command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	for p.lines.Scan() {
		lines++
	}
	_ = p.command.Wait() // it was killed
	return lines
}

// TestProcess is that process.
func TestProcess(t *testing.T) {
	t.Parallel()
	if *processPath == "" {
		t.Skip("other tests start it")
	}
	c := new(clock)
	store, err := control.Open(t.Context(), *processPath, control.Options{Now: c.Now})
	if errors.Is(err, control.ErrInUse) {
		fmt.Println(sayInUse)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(sayOpen)
	m, random := newModel(), rand.New(rand.NewPCG(*processSeed, 0))
	for *processSeed != 0 {
		if err := m.takeBoth(t.Context(), m.next(random), store, c); err != nil {
			t.Fatal(err)
		}
		fmt.Println(sayStepped)
	}
	_, _ = io.ReadAll(os.Stdin) // until it is killed
}

func TestInUseInAnotherProcess(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	holder := startProcess(t, path, 0)
	if said := holder.said(); said != sayOpen {
		t.Fatalf("the process says %q", said)
	}
	_, err := control.Open(t.Context(), path, control.Options{})
	wantError(t, err, control.ErrInUse, path)
	holder.kill(t)

	store := open(t, path, new(clock))
	_, err = control.Open(t.Context(), path, control.Options{}) // which must not lose the lock
	wantError(t, err, control.ErrInUse, path)
	createDatabase(t, store, "orders")
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
	if said := startProcess(t, path, 0).said(); said != sayInUse {
		t.Errorf("while it is open here, a process says %q", said)
	}
	closeStore(t, store)
	if said := startProcess(t, path, 0).said(); said != sayOpen {
		t.Errorf("when it is open no more, a process says %q", said)
	}
}

// A process is killed at any moment, and what it acknowledged is there. The step that it
// was taking was made or not.
func TestKill(t *testing.T) {
	t.Parallel()
	rounds, seed := *killRounds, *killSeed
	if rounds == 0 {
		rounds = 20
		if testing.Short() {
			rounds = 6
		}
	}
	if seed == 0 {
		seed = rand.Uint64()
	}
	random := rand.New(rand.NewPCG(seed, 0))
	for range rounds {
		stepsSeed, await := random.Uint64()|1, random.IntN(80)
		if random.IntN(8) == 0 {
			await = 0
		}
		t.Run(fmt.Sprintf("%d after %d", stepsSeed, await), func(t *testing.T) {
			t.Parallel()
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("for the same choices: -kill.seed=%d", seed)
				}
			})
			path := tempPath(t)
			p := startProcess(t, path, stepsSeed)
			lines := 0 // the first of which says that it is open
			for range await {
				if p.said() != "" {
					lines++
				}
			}
			if lines < await {
				t.Fatalf("the process ended after %d steps", lines)
			}
			lines += p.kill(t)
			wantSteps(t, path, stepsSeed, max(lines-1, 0))
		})
	}
}

// wantSteps opens a file that a process left which acknowledged so many steps.
func wantSteps(t *testing.T, path string, seed uint64, acknowledged int) {
	t.Helper()
	store := open(t, path, new(clock))
	m, random := newModel(), rand.New(rand.NewPCG(seed, 0))
	var diff string
	for n := range acknowledged + 2 {
		if n >= acknowledged {
			crashed := *m
			crashed.tokens = append([]control.Token(nil), m.tokens...)
			crashed.crash()
			if diff = crashed.compare(store); diff == "" {
				return
			}
		}
		_ = m.take(m.next(random)) // it may be a mistake
	}
	t.Errorf("%d steps were acknowledged, but with the one that was not there is (-model +store):\n%s", acknowledged, diff)
}
