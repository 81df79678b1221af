package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// buildProgram builds the program as users have it: the tests are not in it.
func buildProgram(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "kvconnect")
	output, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, output)
	}
	return path
}

// folderServer is the program, serving a data folder in a process of its own.
type folderServer struct {
	url     *url.URL
	command *exec.Cmd
	stderr  bytes.Buffer  // to be read once it has ended
	ended   chan struct{} // closed then
	started time.Time
}

// startFolderServer starts a server that ends with the test at the latest, and waits for
// nothing.
func startFolderServer(t *testing.T, program, folder string, maxOpen int, args ...string) *folderServer {
	t.Helper()
	addr, err := freeAddr()
	if err != nil {
		t.Fatal(err)
	}
	s := &folderServer{url: &url.URL{Scheme: "http", Host: addr, Path: "/"}, ended: make(chan struct{})}
	args = append([]string{
		"serve", "--data-dir", folder, "--addr", addr, "--admin-addr", "", "--max-open-databases", strconv.Itoa(maxOpen),
	}, args...)
	s.command = exec.CommandContext(context.WithoutCancel(t.Context()), program, args...)
	s.command.Stderr = &s.stderr
	s.started = time.Now()
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.ended)
		_ = s.command.Wait() // stop looks at the outcome
	}()
	t.Cleanup(func() {
		_ = s.command.Process.Kill() // it has ended, unless the test failed
		<-s.ended
		if t.Failed() {
			t.Logf("log of the server:\n%s", &s.stderr)
		}
	})
	return s
}

// awaitReady gives the time from the start of the process until /readyz says so.
func (s *folderServer) awaitReady(t *testing.T) time.Duration {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for time.Since(s.started) < scriptPatience {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url.JoinPath("readyz").String(), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if reply, err := client.Do(request); err == nil {
			_ = reply.Body.Close()
			if reply.StatusCode == http.StatusOK {
				return time.Since(s.started)
			}
		}
		select {
		case <-ticker.C:
		case <-s.ended:
			t.Fatalf("the server ended: %v", s.command.ProcessState)
		}
	}
	t.Fatal("the server does not get ready")
	return 0
}

// stop ends the server in order.
func (s *folderServer) stop(t *testing.T) {
	t.Helper()
	if err := s.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-s.ended
	if code := s.command.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the server ended with %d", code)
	}
}

// footprint is what a process holds of the machine.
type footprint struct {
	residentBytes  int64 // all that is in memory, pages of files included
	anonymousBytes int64 // what no file is behind
	openFiles      int
}

func (s *folderServer) footprint(t *testing.T) (f footprint) {
	t.Helper()
	status, statusErr := os.ReadFile(s.processFile("status"))
	files, filesErr := os.ReadDir(s.processFile("fd"))
	if err := errors.Join(statusErr, filesErr); err != nil {
		t.Fatal(err)
	}
	f.openFiles = len(files)
	for line := range strings.Lines(string(status)) {
		fields := strings.Fields(line)
		for name, bytes := range map[string]*int64{"VmRSS:": &f.residentBytes, "RssAnon:": &f.anonymousBytes} {
			if len(fields) > 1 && fields[0] == name {
				kibibytes, err := strconv.ParseInt(fields[1], 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				*bytes = kibibytes << 10
			}
		}
	}
	return f
}

// cpu is the processor time that the process has used, in steps of 10 ms.
func (s *folderServer) cpu() (time.Duration, error) {
	stat, err := os.ReadFile(s.processFile("stat"))
	if err != nil {
		return 0, err
	}
	const userField, systemField, tick = 11, 12, 10 * time.Millisecond // after the name
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, userErr := strconv.ParseInt(fields[userField], 10, 64)
	system, systemErr := strconv.ParseInt(fields[systemField], 10, 64)
	return time.Duration(user+system) * tick, errors.Join(userErr, systemErr)
}

func (s *folderServer) processFile(name string) string {
	return fmt.Sprintf("/proc/%d/%s", s.command.Process.Pid, name)
}
