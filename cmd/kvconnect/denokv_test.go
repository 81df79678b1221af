//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// denokvRow is a flag, a variable or a command of denokv 0.14.0.
type denokvRow struct {
	name string
	// args and env are how a user of denokv gives it.
	args []string
	env  string
	// shows is what "config check" prints where it means the same, says what is warned of where
	// it has no effect, and refused what the program ends with where it is refused.
	shows, says, refused string
}

func denokvTable() []denokvRow {
	const (
		noReplica = "does not follow a database of Deno Deploy: leave it out"
		noTuning  = "has no effect: kvconnect uses all processors"
		noPITR    = "kvconnect has no point-in-time recovery: back up the file the SQLite way"
	)
	serve := func(args ...string) []string { return append([]string{"config", "check"}, args...) }
	return []denokvRow{
		{name: "--sqlite-path", args: append([]string{"--sqlite-path", "a.sqlite"}, serve()...), shows: `sqlite-path "a.sqlite" --sqlite-path`},
		{name: "DENO_KV_SQLITE_PATH", args: serve(), env: "a.sqlite", shows: `sqlite-path "a.sqlite" DENO_KV_SQLITE_PATH`},
		{name: "--access-token", args: serve("--access-token", "abcdefghijkl"), shows: "access-token (not shown) --access-token"},
		{name: "DENO_KV_ACCESS_TOKEN", args: serve(), env: "abcdefghijkl", shows: "access-token (not shown) DENO_KV_ACCESS_TOKEN"},
		{name: "--addr", args: serve("--addr", "[::1]:4512"), shows: `addr "[::1]:4512" --addr`},
		{name: "--read-only", args: serve("--read-only"), shows: "read-only true --read-only"},
		{name: "--num-workers", args: serve("--num-workers", "4"), says: noTuning},
		{name: "DENO_KV_NUM_WORKERS", args: serve(), env: "4", says: noTuning},
		{name: "--atomic-write-batch-timeout-ms", args: serve("--atomic-write-batch-timeout-ms=5"), says: noTuning},
		{name: "DENO_KV_ATOMIC_WRITE_BATCH_TIMEOUT_MS", args: serve(), env: "5", says: noTuning},
		{name: "--sync-from-s3", args: serve("--sync-from-s3"), refused: noReplica},
		{name: "--s3-bucket", args: serve("--s3-bucket", "bucket"), refused: noReplica},
		{name: "--s3-prefix", args: serve("--s3-prefix", "prefix/"), refused: noReplica},
		{name: "--s3-endpoint", args: serve("--s3-endpoint", "https://s3.example"), refused: noReplica},
		{name: "DENO_KV_S3_BUCKET", args: serve(), env: "bucket", says: noReplica},
		{name: "DENO_KV_S3_PREFIX", args: serve(), env: "prefix/", says: noReplica},
		{name: "DENO_KV_S3_ENDPOINT", args: serve(), env: "https://s3.example", says: noReplica},
		{name: "RUST_LOG", args: serve(), env: "debug", says: "choose what is logged with --log-level"},
		{name: "pitr sync", args: []string{"--sqlite-path", "a.sqlite", "pitr", "sync", "--s3-bucket", "bucket"}, refused: noPITR},
		{name: "pitr list", args: []string{"pitr", "list", "--start", "2021-01-01T00:00:00Z"}, refused: noPITR},
		{name: "pitr info", args: []string{"pitr", "info"}, refused: noPITR},
		{name: "pitr checkout", args: []string{"pitr", "checkout", "0100000002c0f4c10000"}, refused: noPITR},
	}
}

// Whatever denokv takes means the same here, or is answered with what to use instead.
func TestDenokvCommandLines(t *testing.T) {
	t.Parallel()
	program := copyOfProgram(t)
	for _, row := range denokvTable() {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), scriptPatience)
			defer cancel()
			command := exec.CommandContext(ctx, program, row.args...)
			command.Dir = t.TempDir()
			command.Env = []string{row.name + "=" + row.env} // a flag makes no variable that anybody reads
			var stdout, stderr bytes.Buffer
			command.Stdout, command.Stderr = &stdout, &stderr
			err := command.Run()
			var exit *exec.ExitError
			refused := errors.As(err, &exit)
			if err != nil && !refused || refused != (row.refused != "") {
				t.Fatalf("%v\n%s", err, &stderr)
			}
			if !strings.Contains(stderr.String(), row.refused) || !strings.Contains(stderr.String(), row.says) {
				t.Errorf("it said\n%s", &stderr)
			}
			if row.says == "" && !refused && stderr.Len() > 0 {
				t.Errorf("it warned\n%s", &stderr)
			}
			shown := strings.Join(strings.Fields(stdout.String()), " ")
			if !strings.Contains(shown, row.shows) {
				t.Errorf("it shows\n%s\nwant %s", &stdout, row.shows)
			}
			if left, err := os.ReadDir(command.Dir); err != nil || len(left) > 0 {
				t.Errorf("it left %v behind, %v", left, err)
			}
		})
	}
}
