package transport_test

import (
	"encoding/xml"
	"errors"
	"flag"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var h2specPath = flag.String("h2spec", "", "the program h2spec that TestH2spec runs; the one on PATH otherwise")

// h2specFails are the cases that do not pass, by any path, and why. One that passes fails the
// test.
var h2specFails = map[string]string{
	"http2/3.5: Sends invalid connection preface": "HTTP/1.1 is served on the same port, which replies 400 to what is neither",
}

// What h2spec 2.2.1 has.
const (
	h2specCases = 145
	// h2specLimit opens more streams than are allowed, which takes replies that do not come.
	h2specLimit = "http2/5.1.2: Sends HEADERS frames that causes their advertised concurrent stream limit to be exceeded"
)

// h2spec holds servers to RFC 7540 and RFC 7541. What RFC 9113 has taken back of that, about
// priorities, does no harm.
func TestH2spec(t *testing.T) {
	t.Parallel()
	program := *h2specPath
	if program == "" {
		found, err := exec.LookPath("h2spec")
		if err != nil {
			t.Skip("h2spec is not on PATH; make h2spec fetches and runs it")
		}
		program = found
	}
	for name, path := range map[string]string{"quick call": "/v2/hello", "call": "/v2/greet", "net/http": "/hello"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := runH2spec(t, program, start(t), path)
			delete(report, h2specLimit)
			checkH2spec(t, report, h2specCases-1)
		})
	}
	for name, path := range slowPaths {
		t.Run("limit of streams, "+name, func(t *testing.T) {
			t.Parallel()
			checkH2spec(t, runH2spec(t, program, start(t), path, strings.SplitN(h2specLimit, ":", 2)[0]), 1)
		})
	}
}

func checkH2spec(t *testing.T, report map[string]string, cases int) {
	t.Helper()
	if len(report) != cases {
		t.Errorf("%d cases were run, want %d", len(report), cases)
	}
	passed := 0
	for name, failure := range report {
		switch excuse, isKnown := h2specFails[name]; {
		case failure == "" && isKnown:
			t.Errorf("%s passes, which should fail: %s", name, excuse)
		case failure != "" && !isKnown:
			t.Errorf("%s: %s", name, failure)
		case failure == "":
			passed++
		}
	}
	t.Logf("%d of %d cases pass", passed, len(report))
}

// runH2spec runs some sections of h2spec, or all, and gives for each case what is wrong.
func runH2spec(t *testing.T, program string, server *running, path string, sections ...string) map[string]string {
	t.Helper()
	host, port, err := net.SplitHostPort(server.address)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "report.xml")
	arguments := append([]string{"--host", host, "--port", port, "--path", path, "--timeout", "5", "--junit-report", file}, sections...)
	output, err := exec.CommandContext(t.Context(), program, arguments...).CombinedOutput()
	if failed := new(exec.ExitError); err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	written, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	var report struct { // in the format of JUnit
		Suites []struct {
			Cases []struct {
				Section string    `xml:"package,attr"`
				Name    string    `xml:"classname,attr"`
				Failure *string   `xml:"failure"`
				Error   *string   `xml:"error"`
				Skipped *struct{} `xml:"skipped"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(written, &report); err != nil {
		t.Fatal(err)
	}
	failures := make(map[string]string)
	for _, suite := range report.Suites {
		for _, c := range suite.Cases {
			failure := ""
			switch {
			case c.Failure != nil:
				failure = "it fails: " + *c.Failure
			case c.Error != nil:
				failure = "it fails: " + *c.Error
			case c.Skipped != nil:
				failure = "it is skipped"
			}
			failures[c.Section+": "+c.Name] = failure
		}
	}
	return failures
}
