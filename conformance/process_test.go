package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	processToken    = "access-token-of-the-tests"
	processPatience = 20 * time.Second
)

// buildServer builds the program once for all tests.
var buildServer = sync.OnceValues(func() (path string, err error) {
	folder, err := os.MkdirTemp("", "kvconnect-conformance-")
	if err != nil {
		return "", err
	}
	path = filepath.Join(folder, "kvconnect")
	output, err := exec.CommandContext(context.Background(), "go", "build", "-o", path, "../cmd/kvconnect").CombinedOutput()
	if err != nil {
		return "", errors.New(string(output))
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := buildServer(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// serverOptions say how to start a server.
type serverOptions struct {
	path      string        // of the database; a new one if it is empty
	folder    string        // with many databases, in place of the path
	addr      string        // a free port is found if it is empty
	transport transportKind // that of the program by itself if it is empty
	// certificate has it speak TLS, unless it is nil.
	certificate *certificate
	args        []string // further ones of serve
	env         []string // further variables
}

// process is a server that runs in a process of its own.
type process struct {
	serverOptions
	url    string
	cmd    *exec.Cmd
	exited chan struct{} // closed once cmd has ended
	stdout *logBuffer
	stderr *logBuffer
}

// startProcess serves the database at path on a free port. The process ends with
// the test at the latest.
func startProcess(t *testing.T, path string) *process {
	t.Helper()
	return serverOptions{path: path}.start(t)
}

// start starts a server that ends with the test at the latest, and waits until it
// is ready.
func (o serverOptions) start(t *testing.T) *process {
	t.Helper()
	p := o.launch(t)
	p.awaitReady(t)
	return p
}

// launch is start, but waits for nothing.
func (o serverOptions) launch(t *testing.T) *process {
	t.Helper()
	binary, err := buildServer()
	if err != nil {
		t.Fatal(err)
	}
	if o.path == "" && o.folder == "" {
		o.path = filepath.Join(t.TempDir(), "kv.sqlite")
	}
	if o.addr == "" {
		o.addr = freeAddr(t)
	}
	p := &process{
		serverOptions: o, url: "http://" + o.addr, exited: make(chan struct{}), stdout: &logBuffer{}, stderr: &logBuffer{},
	}
	env := append(plainEnviron(), "DENO_KV_ACCESS_TOKEN="+processToken)
	args := []string{"serve", "--sqlite-path", o.path, "--addr", o.addr, "--admin-addr", ""}
	if o.folder != "" {
		// Whoever has no token of a database opens none.
		env = plainEnviron()
		args = []string{"serve", "--data-dir", o.folder, "--addr", o.addr, "--admin-addr", "127.0.0.1:0"}
	}
	if o.transport != "" {
		args = append(args, o.transport.args()...)
	}
	if o.certificate != nil {
		p.url = "https://" + o.addr
		args = append(args, "--tls-cert", o.certificate.certPath, "--tls-key", o.certificate.keyPath)
	}
	args = append(args, o.args...)
	p.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), binary, args...)
	p.cmd.Env = slices.Concat(env, o.env)
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.exited)
		_ = p.cmd.Wait() // stop looks at the outcome
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.exited
		if t.Failed() {
			t.Logf("log of the server:\n%s", p.stderr)
		}
	})
	return p
}

// plainEnviron is the environment without what whoever runs the tests has set for
// Deno KV and for the server.
func plainEnviron() []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "DENO_KV_") || strings.HasPrefix(variable, "KVCONNECT_")
	})
}

// givenAddrs are those that a test has. It may not listen yet, or not at the moment.
var givenAddrs sync.Map

// freeAddr gives an address for a test to listen on, which no other test is given.
func freeAddr(t *testing.T) string {
	t.Helper()
	for {
		// Below the ports that systems hand out by themselves, or another test might
		// be given this one before it is used.
		addr := fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000))
		if _, given := givenAddrs.LoadOrStore(addr, true); given {
			continue
		}
		t.Cleanup(func() { givenAddrs.Delete(addr) })
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", addr)
		switch {
		case errors.Is(err, syscall.EADDRINUSE):
		case err != nil:
			t.Fatal(err)
		default:
			if err := listener.Close(); err != nil {
				t.Fatal(err)
			}
			return addr
		}
	}
}

func (p *process) awaitReady(t *testing.T) {
	t.Helper()
	client := http.DefaultClient
	if p.certificate != nil {
		client = &http.Client{Transport: &http.Transport{TLSClientConfig: p.certificate.trust()}}
		defer client.CloseIdleConnections()
	}
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(processPatience); time.Now().Before(deadline); {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+"/readyz", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if reply, err := client.Do(request); err == nil {
			_ = reply.Body.Close()
			if reply.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-ticker.C:
		case <-p.exited:
			t.Fatalf("the server ended: %v\n%s", p.cmd.ProcessState, p.stderr)
		}
	}
	t.Fatalf("the server does not get ready:\n%s", p.stderr)
}

// awaitPrinted waits until the server has printed something that fits the pattern, which it
// does for people, and may do after it is ready.
func (p *process) awaitPrinted(t *testing.T, pattern *regexp.Regexp) string {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(processPatience); time.Now().Before(deadline); <-ticker.C {
		if found := pattern.FindString(p.stdout.String()); found != "" {
			return found
		}
	}
	t.Fatalf("the server does not print what fits %s:\n%s", pattern, p.stdout)
	return ""
}

// awaitLogged waits until the log has a text in it.
func (p *process) awaitLogged(t *testing.T, text string) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(processPatience); !strings.Contains(p.stderr.String(), text); {
		select {
		case <-ticker.C:
		case <-p.exited:
			t.Fatalf("the server ended: %v\n%s", p.cmd.ProcessState, p.stderr)
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server does not log %q:\n%s", text, p.stderr)
		}
	}
}

// terminate tells the server to stop, and does not wait for it.
func (p *process) terminate(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// stop ends the server as a service manager does.
func (p *process) stop(t *testing.T) {
	t.Helper()
	p.terminate(t)
	p.awaitStop(t)
}

// awaitStop waits for a server that was told to stop.
func (p *process) awaitStop(t *testing.T) {
	t.Helper()
	<-p.exited
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the server ended with %d:\n%s", code, p.stderr)
	}
}

// kill ends the server as a crash does.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.exited
}

// restart starts a server on the same address and file, in the same way.
func (p *process) restart(t *testing.T) *process {
	t.Helper()
	return p.start(t)
}

// logBuffer is a bytes.Buffer that is safe for concurrent use.
type logBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer // guarded by mu
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
