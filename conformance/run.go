package conformance

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/kvconnect"
)

// caseTimeout bounds one case; it is far above what any takes.
const caseTimeout = 15 * time.Second

// testCase is one thing that must be true of a database. It may run beside other
// cases on the same database, and touches only keys that start with the prefix of
// its probe.
type testCase struct {
	name string
	run  func(p *probe)
}

// KnownDifference names a case that a server is known to fail.
type KnownDifference struct {
	// Case is the name of the case.
	Case string
	// Reason says what the server does instead, and why.
	Reason string
	// Sometimes tells that the case passes now and then, as chance has it.
	Sometimes bool
}

// Run checks a backend. open gives a new and empty one, which Run closes.
func Run(t *testing.T, open func(t *testing.T) kvconnect.Backend) {
	t.Helper()
	for _, c := range allCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			backend := open(t)
			defer func() {
				if err := backend.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			}()
			if err := runCase(t, c, backendDatabase{backend}); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("over a slow server", func(t *testing.T) {
		t.Parallel()
		backend := open(t)
		t.Cleanup(func() {
			if err := backend.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
		runSlowServer(t, backend)
	})
}

// RunHTTP checks a live server, over HTTP/1.1 and over HTTP/2 with prior
// knowledge. The token is its access token. It leaves keys behind.
func RunHTTP(t *testing.T, url, token string, known ...KnownDifference) {
	t.Helper()
	checkNames(t, known)
	for name, newClient := range httpClients {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runOverHTTP(t, newClient(), url, token, known)
		})
	}
}

// runOverHTTP checks a live server with one client.
func runOverHTTP(t *testing.T, client *http.Client, url, token string, known []KnownDifference) {
	t.Helper()
	t.Cleanup(client.CloseIdleConnections)
	database, err := openHTTP(t.Context(), client, url, token)
	if err != nil {
		t.Fatalf("metadata exchange: %v", err)
	}
	for _, c := range casesOverHTTP(client, url, token) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			compare(t, c, runCase(t, c, database), known)
		})
	}
}

// checkNames fails for a difference whose case there is no more.
func checkNames(t *testing.T, known []KnownDifference) {
	t.Helper()
	names := make(map[string]bool)
	for _, c := range casesOverHTTP(nil, "", "") {
		names[c.name] = true
	}
	for _, difference := range known {
		if !names[difference.Case] {
			t.Errorf("there is no case %q, which is listed as a known difference", difference.Case)
		}
	}
}

// compare holds the outcome of a case against the list of known differences.
func compare(t *testing.T, c testCase, err error, known []KnownDifference) {
	t.Helper()
	for _, difference := range known {
		if difference.Case != c.name {
			continue
		}
		if err == nil && !difference.Sometimes {
			t.Errorf("passes, but is listed as a known difference: %s", difference.Reason)
		}
		return
	}
	if err != nil {
		t.Error(err)
	}
}

func runCase(t *testing.T, c testCase, db database) (err error) {
	ctx, cancel := context.WithTimeout(t.Context(), caseTimeout)
	defer cancel()
	defer func() {
		if r := recover(); r != nil {
			failed, ok := r.(failure)
			if !ok {
				panic(r)
			}
			err = failed.err
		}
	}()
	c.run(newProbe(ctx, db))
	return nil
}

// failure is what a probe panics with to leave its case.
type failure struct{ err error }

func failf(format string, args ...any) {
	panic(failure{fmt.Errorf(format, args...)})
}

func allCases() []testCase {
	var cases []testCase
	for _, group := range [][]testCase{
		readCases, writeCases, keyCases, counterCases, sumCases, expiryCases, watchCases, concurrencyCases, historyCases,
	} {
		cases = append(cases, group...)
	}
	return cases
}

func casesOverHTTP(client *http.Client, url, token string) []testCase {
	return slices.Concat(allCases(), httpCases(client, url, token), limitCases(url, token), badInputCases())
}
