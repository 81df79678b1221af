package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"kvconnect": main})
}

// TestScripts runs the program as a user would, by the scripts in
// testdata/script. $ADDR and $ADMIN are addresses that are free.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"ADDR", "ADMIN"} {
				addr, err := freeAddr()
				if err != nil {
					return err
				}
				env.Setenv(name, addr)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ready":    scriptReady,
			"request":  scriptRequest,
			"exchange": scriptExchange,
			"read":     scriptRead,
			"mode":     scriptMode,
			"hang":     scriptHang,
			"refuses":  scriptRefuses,
			"stored":   scriptStored,
			"term":     scriptTerm,
			"capture":  scriptCapture,
			"write":    scriptWrite,

			"remember":  scriptRemember,
			"unchanged": scriptUnchanged,
			"damage":    scriptDamage,
			"occupy":    scriptOccupy,
			"report":    scriptReport,
			"path":      scriptPath,
		},
	})
}

func freeAddr() (string, error) {
	for {
		// Below the ports that systems hand out by themselves, or another test might
		// be given this one before it is used.
		addr := fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000))
		listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", addr)
		switch {
		case errors.Is(err, syscall.EADDRINUSE):
		case err != nil:
			return "", err
		default:
			return addr, listener.Close()
		}
	}
}

const scriptPatience = 20 * time.Second

// poll calls f every few milliseconds until it gives true.
func poll(ts *testscript.TestScript, what string, f func() bool) {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(scriptPatience); time.Now().Before(deadline); <-ticker.C {
		if f() {
			return
		}
	}
	ts.Fatalf("waited in vain: %s", what)
}

// scriptReady waits until the server at an address is ready: ready ADDR.
func scriptReady(ts *testscript.TestScript, _ bool, args []string) {
	poll(ts, "the server is not ready", func() bool {
		reply, err := http.Get("http://" + args[0] + "/readyz") //nolint:noctx // gives up with the script
		if err != nil {
			return false
		}
		_ = reply.Body.Close()
		return reply.StatusCode == http.StatusOK
	})
}

// scriptRequest sends a request and checks the status of the reply:
// request METHOD URL TOKEN STATUS.
func scriptRequest(ts *testscript.TestScript, _ bool, args []string) {
	request, err := http.NewRequestWithContext(context.Background(), args[0], args[1], http.NoBody)
	ts.Check(err)
	request.Header.Set("Authorization", "Bearer "+args[2])
	reply, err := http.DefaultClient.Do(request)
	ts.Check(err)
	ts.Check(reply.Body.Close())
	if got := strconv.Itoa(reply.StatusCode); got != args[3] {
		ts.Fatalf("status %s, want %s", got, args[3])
	}
}

// scriptExchange makes a metadata exchange, for scriptRead to use:
// exchange URL TOKEN.
func scriptExchange(ts *testscript.TestScript, _ bool, args []string) {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, args[0], http.NoBody)
	ts.Check(err)
	request.Header.Set("Authorization", "Bearer "+args[1])
	reply, err := http.DefaultClient.Do(request)
	ts.Check(err)
	var metadata struct {
		DatabaseID string `json:"databaseId"`
		Token      string `json:"token"`
	}
	ts.Check(json.NewDecoder(reply.Body).Decode(&metadata))
	ts.Check(reply.Body.Close())
	ts.Setenv("DATABASE_ID", metadata.DatabaseID)
	ts.Setenv("DATA_PATH_TOKEN", metadata.Token)
}

// scriptRead makes a snapshot read with the token of the last exchange, and checks
// the status of the reply: read STATUS.
func scriptRead(ts *testscript.TestScript, _ bool, args []string) {
	callDataPath(ts, "snapshot_read", args[0])
}

// callDataPath makes a call without a body and checks the status of the reply.
func callDataPath(ts *testscript.TestScript, method, status string) {
	url := "http://" + ts.Getenv("ADDR") + "/v2/" + method
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, http.NoBody)
	ts.Check(err)
	request.Header.Set("Authorization", "Bearer "+ts.Getenv("DATA_PATH_TOKEN"))
	request.Header.Set("X-Denokv-Version", "3")
	request.Header.Set("X-Denokv-Database-Id", ts.Getenv("DATABASE_ID"))
	reply, err := http.DefaultClient.Do(request)
	ts.Check(err)
	ts.Check(reply.Body.Close())
	if got := strconv.Itoa(reply.StatusCode); got != status {
		ts.Fatalf("status %s, want %s", got, status)
	}
}

// scriptWrite makes an empty atomic write with the token of the last exchange, and checks
// the status of the reply: write STATUS.
func scriptWrite(ts *testscript.TestScript, _ bool, args []string) {
	callDataPath(ts, "atomic_write", args[0])
}

// scriptCapture puts what the last command printed into the environment: capture NAME.
func scriptCapture(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

// scriptMode checks the permissions of a file: mode FILE 0600.
func scriptMode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[1] {
		ts.Fatalf("mode %s, want %s", got, args[1])
	}
}

// scriptHang sends the server at an address half of a request and keeps the
// connection open until the script ends: hang ADDR.
func scriptHang(ts *testscript.TestScript, _ bool, args []string) {
	conn, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", args[0])
	ts.Check(err)
	ts.Defer(func() { _ = conn.Close() })
	_, err = fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: %s\r\nExpect: 100-continue\r\nAuthorization: Bearer %s\r\nContent-Length: 10\r\n\r\n",
		args[0], ts.Getenv("DENO_KV_ACCESS_TOKEN"))
	ts.Check(err)
	// The server asks for the body once the handler reads it.
	line, err := bufio.NewReader(conn).ReadString('\n')
	ts.Check(err)
	if !strings.Contains(line, "100 Continue") {
		ts.Fatalf("the server answered %q", line)
	}
}

// scriptStored waits until the database a.sqlite holds keys, or holds none:
// stored [none].
func scriptStored(ts *testscript.TestScript, _ bool, args []string) {
	none := len(args) == 1 && args[0] == "none"
	db, err := sql.Open("sqlite3", "file:"+ts.MkAbs("a.sqlite")+"?mode=ro")
	ts.Check(err)
	ts.Defer(func() { _ = db.Close() })
	poll(ts, "what is stored does not change", func() bool {
		var count int
		ts.Check(db.QueryRowContext(context.Background(), "select count(*) from kv").Scan(&count))
		return (count == 0) == none
	})
}

// scriptTerm sends SIGTERM to what runs in the background: term.
func scriptTerm(ts *testscript.TestScript, _ bool, _ []string) {
	for _, command := range ts.BackgroundCmds() {
		ts.Check(command.Process.Signal(syscall.SIGTERM))
	}
}

// scriptRefuses waits until nothing listens at an address any more: refuses ADDR.
func scriptRefuses(ts *testscript.TestScript, _ bool, args []string) {
	poll(ts, "the server still listens", func() bool {
		conn, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", args[0])
		if err == nil {
			_ = conn.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	})
}
