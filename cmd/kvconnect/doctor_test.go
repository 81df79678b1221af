package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/doctor"
	"github.com/rogpeppe/go-internal/testscript"
)

// fileState is what may not change when a file is only looked at.
func fileState(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return "", err
	}
	content, err := os.ReadFile(path)
	return fmt.Sprintf("%s %s %x", info.Mode(), info.ModTime(), sha256.Sum256(content)), err
}

func statesBelow(ts *testscript.TestScript, folder string) map[string]string {
	states := make(map[string]string)
	ts.Check(filepath.WalkDir(ts.MkAbs(folder), func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			states[path], err = fileState(path)
		}
		return err
	}))
	return states
}

// scriptRemember writes down all files in a folder: remember FOLDER.
func scriptRemember(ts *testscript.TestScript, _ bool, args []string) {
	text, err := json.Marshal(statesBelow(ts, args[0]))
	ts.Check(err)
	ts.Setenv("REMEMBERED", string(text))
}

// scriptUnchanged checks that all files in a folder are as they were, in their bytes, modes
// and times, when scriptRemember was called, and that there are no others: unchanged FOLDER.
// In a folder that a server was asked about, it has changed the memory that programs share
// beside a WAL, which is no part of the database: unchanged FOLDER served.
func scriptUnchanged(ts *testscript.TestScript, _ bool, args []string) {
	var before map[string]string
	ts.Check(json.Unmarshal([]byte(ts.Getenv("REMEMBERED")), &before))
	now := statesBelow(ts, args[0])
	for path := range before {
		if isShared := strings.HasSuffix(path, "-shm"); now[path] != before[path] && (!isShared || len(args) == 1) {
			ts.Fatalf("%s has changed", path)
		}
	}
	if len(now) != len(before) {
		ts.Fatalf("there were %d files, and are %d", len(before), len(now))
	}
}

// scriptDamage overwrites a page of a database: damage FILE NUMBER.
func scriptDamage(ts *testscript.TestScript, _ bool, args []string) {
	var page int64
	_, err := fmt.Sscan(args[1], &page)
	ts.Check(err)
	file, err := os.OpenFile(ts.MkAbs(args[0]), os.O_RDWR, 0)
	ts.Check(err)
	_, err = file.WriteAt([]byte(strings.Repeat("damage", 100)), (page-1)*4096)
	ts.Check(err)
	ts.Check(file.Close())
}

// scriptOccupy listens at an address, as another program, until the script ends:
// occupy ADDR.
func scriptOccupy(ts *testscript.TestScript, _ bool, args []string) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", args[0])
	ts.Check(err)
	other := &httptest.Server{
		Listener: listener,
		Config:   &http.Server{Handler: http.NotFoundHandler()},
	}
	other.Start()
	ts.Defer(other.Close)
}

// scriptReport reads what doctor --json printed, and checks the status of a check:
// report CHECK STATUS.
func scriptReport(ts *testscript.TestScript, _ bool, args []string) {
	var report doctor.Report
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &report))
	for _, finding := range report.Findings {
		if finding.Check == args[0] {
			if string(finding.Status) != args[1] {
				ts.Fatalf("%s: %s: %s", finding.Check, finding.Status, finding.Found)
			}
			return
		}
	}
	ts.Fatalf("no such check: %s", args[0])
}

// scriptPath puts the path of a database into the environment, which db stats --json printed:
// path NAME.
func scriptPath(ts *testscript.TestScript, _ bool, args []string) {
	var stats struct {
		Path string `json:"path"`
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &stats))
	ts.Setenv(args[0], stats.Path)
}
