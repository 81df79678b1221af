package conformance

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// clientPatience bounds one run of a real client; the longest takes a fraction.
const clientPatience = 5 * time.Minute

// installClients fetches real Deno and @deno/kv, in the versions of the lockfile,
// unless they are there.
var installClients = sync.OnceValue(func() error {
	lock, err := os.ReadFile(filepath.Join("clients", "package-lock.json"))
	if err != nil {
		return err
	}
	sum := sha256.Sum256(lock)
	want := hex.EncodeToString(sum[:])
	stamp := filepath.Join("clients", "node_modules", ".installed")
	if got, err := os.ReadFile(stamp); err == nil && string(got) == want {
		return nil
	}
	command := exec.CommandContext(context.Background(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	command.Dir = "clients"
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, output)
	}
	return os.WriteFile(stamp, []byte(want), 0o600)
})

// needClients skips a test that needs real clients in a short run.
func needClients(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs real Deno and Node")
	}
	if err := installClients(); err != nil {
		t.Fatal(err)
	}
}

// target is the server that a client is to use.
type target struct {
	url              string
	token            string // processToken if it is empty
	knownDifferences string // a file in clients, if any
	authorityPath    string // of an authority's certificate that is to be trusted, if any
}

func (p *process) target() target {
	to := target{url: p.url}
	if p.certificate != nil {
		to.authorityPath = p.certificate.authorityPath
	}
	return to
}

// clientCommand runs a program of the folder clients, whose path must be absolute
// if it is not found by PATH.
func clientCommand(ctx context.Context, server target, name string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = "clients"
	command.WaitDelay = time.Second
	command.Env = append(plainEnviron(),
		"KV_URL="+server.url, "DENO_KV_ACCESS_TOKEN="+cmp.Or(server.token, processToken), "KV_KNOWN_DIFFERENCES="+server.knownDifferences,
		"NO_COLOR=1", "DENO_NO_UPDATE_CHECK=1")
	command.Env = append(command.Env, trustingEnv(server.authorityPath)...)
	return command
}

// trustingEnv gives the variables that have Deno and Node trust an authority; none for "".
func trustingEnv(authorityPath string) []string {
	if authorityPath == "" {
		return nil
	}
	return []string{"DENO_CERT=" + authorityPath, "NODE_EXTRA_CA_CERTS=" + authorityPath}
}

// denoPath gives the binary itself. The command in .bin is a script that starts
// it and leaves it behind when it is killed.
func denoPath(t *testing.T) string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("clients", "node_modules", "@deno", "*", "deno"))
	if err != nil || len(paths) != 1 {
		t.Fatalf("real Deno is not installed in one place: %v, %v", paths, err)
	}
	path, err := filepath.Abs(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// runClient runs a program to its end, which must be a success, and gives what it
// printed on its standard output.
func runClient(t *testing.T, server target, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), clientPatience)
	defer cancel()
	command := clientCommand(ctx, server, name, args...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s\n%s", filepath.Base(name), strings.Join(args, " "), err, &stdout, &stderr)
	}
	return stdout.String()
}

// suites are the commands that run the whole suite in each runtime.
func suites(t *testing.T) map[string][]string {
	t.Helper()
	return map[string][]string{
		"Deno": {denoPath(t), "test", "--no-prompt", "--allow-net", "--allow-env", "--allow-read=.", "deno_test.ts"},
		"Node": {"node", "--import", "tsx", "--test", "--test-reporter", "spec", "node_test.ts"},
	}
}

func runSuites(t *testing.T, server target) {
	t.Helper()
	for name, command := range suites(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			output := strings.TrimSpace(runClient(t, server, command[0], command[1:]...))
			t.Log(output[strings.LastIndex(output, "\n")+1:])
		})
	}
}

func TestClientSuites(t *testing.T) {
	t.Parallel()
	needClients(t)
	overTransports(t, func(t *testing.T, over transportKind) {
		runSuites(t, serverOptions{transport: over}.start(t).target())
	})
}

func TestClientProgramsAreSound(t *testing.T) {
	t.Parallel()
	needClients(t)
	for _, args := range [][]string{
		{
			"check", "deno_test.ts", "node_test.ts", "restart.ts", "app.ts", "calls.ts", "sharedfile.ts", "sharedqueue.ts",
			"sharedopen.ts", "v8values.ts", "bench.ts", "http2.ts", "unread_watch.ts", "commanded.ts",
		},
		{"lint"},
		{"fmt", "--check"},
	} {
		runClient(t, target{}, denoPath(t), args...)
	}
}

// A server is stopped, or dies, and comes back under programs that use it.
func TestClientsLiveThroughARestart(t *testing.T) {
	t.Parallel()
	needClients(t)
	overTransports(t, runRestarts)
}

func runRestarts(t *testing.T, over transportKind) {
	runtimes := map[string][]string{
		"Deno": {denoPath(t), "run", "-A"},
		"Node": {"node", "--import", "tsx"},
	}
	for name, c := range map[string]struct {
		args []string
		end  func(*process, *testing.T)
	}{
		"quiet, stopped": {[]string{"restart.ts", "quiet"}, (*process).stop},
		"busy, stopped":  {[]string{"restart.ts", "busy"}, (*process).stop},
		"quiet, killed":  {[]string{"restart.ts", "quiet"}, (*process).kill},
		"busy, killed":   {[]string{"restart.ts", "busy"}, (*process).kill},
	} {
		for runtime, run := range runtimes {
			t.Run(runtime+"/"+name, func(t *testing.T) {
				t.Parallel()
				args := slices.Concat(run[1:], c.args)
				if runtime == "Deno" && name == "busy, stopped" {
					args = append(args, "exact") // what a drained server promises
				}
				server := serverOptions{transport: over}.start(t)
				dialog{"@restart": func() string {
					c.end(server, t)
					server = server.restart(t)
					return "restarted"
				}}.run(t, server.target(), run[0], args...)
			})
		}
	}
}

// A small application, run twice with a restart of the server in between.
func TestApplication(t *testing.T) {
	t.Parallel()
	needClients(t)
	overTransports(t, runApplication)
}

func runApplication(t *testing.T, over transportKind) {
	server := serverOptions{transport: over}.start(t)
	for _, run := range []string{"first", "second"} {
		wantTranscript(t, server.target(), run)
		server.stop(t)
		server = server.restart(t)
	}
}

// wantTranscript makes one of the two runs of the application.
func wantTranscript(t *testing.T, server target, run string) {
	t.Helper()
	want, err := os.ReadFile(filepath.Join("clients", "transcripts", "app_"+run+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	if got := runClient(t, server, denoPath(t), "run", "-A", "app.ts", run); got != string(want) {
		t.Errorf("the %s run printed\n%s\nwant\n%s", run, got, want)
	}
}
