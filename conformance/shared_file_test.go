package conformance

import (
	"bufio"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
)

// runShared runs a program of the folder clients in Deno to its end.
func runShared(t *testing.T, args ...string) {
	t.Helper()
	runClient(t, target{}, denoPath(t), append([]string{"run", "-A"}, args...)...)
}

// killAfter runs a program of the folder clients in Deno until it prints the line,
// and kills it.
func killAfter(t *testing.T, line string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), clientPatience)
	defer cancel()
	command := clientCommand(ctx, target{}, denoPath(t), append([]string{"run", "-A"}, args...)...)
	var stderr logBuffer
	command.Stderr = &stderr
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	printed := false
	for lines := bufio.NewScanner(stdout); !printed && lines.Scan(); {
		printed = lines.Text() == line
	}
	_ = command.Process.Kill()
	_ = command.Wait() // it was killed
	if !printed {
		t.Fatalf("the program ended without %q\n%s", line, &stderr)
	}
}

// A file that Deno made is served, changed, and opened by Deno again; and the
// other way round.
func TestFileSharedWithDeno(t *testing.T) {
	t.Parallel()
	needClients(t)
	for name, produce := range map[string]func(t *testing.T, path string){
		"closed by Deno": func(t *testing.T, path string) { t.Helper(); runShared(t, "sharedfile.ts", "write", path) },
		"left by a killed Deno": func(t *testing.T, path string) {
			t.Helper()
			killAfter(t, "written", "sharedfile.ts", "write-and-hold", path)
			if wal, err := os.Stat(path + "-wal"); err != nil || wal.Size() == 0 {
				t.Fatalf("Deno left no WAL: %v", err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "kv.sqlite")
			produce(t, path)
			byDeno := readTables(t, path)
			server := startProcess(t, path)
			runShared(t, "sharedfile.ts", "check-remote", server.url)
			runShared(t, "sharedfile.ts", "touch", server.url)
			server.stop(t)
			touched := readTables(t, path)
			touched.wantKept(t, byDeno, "changing", "count", "doomed", "least", "most", "renewed", "short")

			runShared(t, "sharedfile.ts", "check", path)
			checked := readTables(t, path)
			checked.wantKept(t, touched, "short again")
			server = server.restart(t)
			server.stop(t)
			readTables(t, path).wantKept(t, checked, "short again")
		})
	}
	t.Run("made here", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "kv.sqlite")
		server := startProcess(t, path)
		runShared(t, "sharedfile.ts", "write", server.url)
		runShared(t, "sharedfile.ts", "touch", server.url)
		server.stop(t)
		byServer := readTables(t, path)
		runShared(t, "sharedfile.ts", "check", path)
		readTables(t, path).wantKept(t, byServer, "short", "short again")
	})
}

// Messages in the queue wait while the file is served, be they due or being handled by
// a Deno that was killed.
func TestQueueOfASharedFile(t *testing.T) {
	t.Parallel()
	needClients(t)
	path := filepath.Join(t.TempDir(), "kv.sqlite")
	killAfter(t, "handling", "sharedqueue.ts", "leave", path)
	byDeno := readTables(t, path)
	if running, waiting := byDeno.dueMs["queue_running"], byDeno.dueMs["queue"]; len(running) != 1 || len(waiting) != 2 {
		t.Fatalf("Deno left %d messages that are being handled and %d others, want 1 and 2", len(running), len(waiting))
	}
	server := startProcess(t, path)
	// Deno takes a message back from a handler that died once this time has passed.
	due := time.UnixMilli(max(byDeno.dueMs["queue"][0], byDeno.dueMs["queue_running"][0]))
	select {
	case <-time.After(time.Until(due)):
	case <-t.Context().Done():
	}
	client := httpClients["HTTP2"]()
	defer client.CloseIdleConnections()
	db, err := openHTTP(t.Context(), client, server.url, processToken)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.atomicWrite(t.Context(), protocol.AtomicWrite{Mutations: []protocol.Mutation{set([]byte("a"), text("1"))}}); err != nil {
		t.Fatal(err)
	}
	server.stop(t)
	readTables(t, path).wantKept(t, byDeno)
	runShared(t, "sharedqueue.ts", "deliver", path)
}

// Deno and the server may have the file open at the same time.
func TestFileThatIsOpenInDenoToo(t *testing.T) {
	t.Parallel()
	needClients(t)
	path := filepath.Join(t.TempDir(), "kv.sqlite")
	server := startProcess(t, path)
	runShared(t, "sharedopen.ts", path, server.url)
	server.stop(t)
	readTables(t, path) // which finds no fault in it
}
