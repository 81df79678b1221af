package conformance

import (
	"bufio"
	"context"
	"io"
	"strings"
	"testing"
)

const (
	earlierMutationsStay = "a write that fails in the middle keeps its earlier mutations"
	expiredUntilSwept    = "expired keys can be read until they are swept"
	expiryIsNotTold      = "a watch is told of an expiry at the next sweep at best"
	relativeEndpoint     = "the endpoint URL is relative, as version 2 allows"
	noVersion1           = "it does not speak version 1"
	emptyKeys            = "empty keys are served"
	anyBody              = "a body may be of any size"
)

// differencesOfOracle are the faults of Deno's own engine, and of the little
// server around it, that this project does not share.
var differencesOfOracle = []KnownDifference{
	{Case: "write/nothing remains of a write that fails", Reason: earlierMutationsStay},
	{Case: "history/nobody sees anything of a write that fails", Reason: earlierMutationsStay, Sometimes: true},
	{Case: "write/100 checks", Reason: "ten checks at most"},
	{Case: "sum/bounds of a Deno.KvU64 are refused", Reason: "it leaves the bounds of a Deno.KvU64 out of account"},
	{Case: "sum/a result longer than a value can be is refused", Reason: "a sum can make values of any length"},
	{Case: "expiry/absent from its time on, and watchers are told", Reason: expiryIsNotTold, Sometimes: true},
	{Case: "expiry/a later set without one takes it back", Reason: expiryIsNotTold, Sometimes: true},
	{Case: "expiry/a sum takes it back", Reason: expiryIsNotTold, Sometimes: true},
	{Case: "expiry/a later set moves it", Reason: expiryIsNotTold, Sometimes: true},
	{Case: "expiry/a time that has passed", Reason: expiredUntilSwept, Sometimes: true},
	{Case: "expiry/checks find an expired key absent", Reason: expiredUntilSwept, Sometimes: true},
	{Case: "expiry/a counter starts anew", Reason: expiredUntilSwept, Sometimes: true},
	{Case: "expiry/ranges leave expired keys out and still fill their limit", Reason: expiredUntilSwept, Sometimes: true},
	{Case: "expiry/versionstamped key", Reason: expiredUntilSwept, Sometimes: true},
	{Case: "watch/versionstamped key under its final name", Reason: "versionstamped keys wake no watch"},
	{Case: "metadata/no body means version 1", Reason: noVersion1},
	{Case: "metadata/version 1", Reason: noVersion1},
	{Case: "metadata/version 2", Reason: relativeEndpoint},
	{Case: "metadata/versions 1 and 2", Reason: relativeEndpoint},
	{Case: "metadata/versions 1, 2 and 3", Reason: relativeEndpoint},
	{Case: "metadata/versions to come", Reason: relativeEndpoint},
	{Case: "metadata/the access token is not handed out", Reason: "it has one token for everything"},
	{Case: "data path/absent check as ten zero bytes", Reason: "only no bytes at all mean an absent key"},
	{Case: "limits/empty key of a set", Reason: emptyKeys},
	{Case: "limits/empty key of a delete", Reason: emptyKeys},
	{Case: "limits/empty key of a sum", Reason: emptyKeys},
	{Case: "limits/empty key of a min", Reason: emptyKeys},
	{Case: "limits/empty key of a max", Reason: emptyKeys},
	{Case: "limits/empty key of a set with versionstamped key", Reason: emptyKeys},
	{Case: "limits/empty key of a check", Reason: emptyKeys},
	{Case: "limits/empty key of a watch", Reason: emptyKeys},
	{Case: "limits/key of a set with versionstamped key", Reason: "its suffix is not counted"},
	{Case: "limits/key of a watch", Reason: "watched keys may be of any length"},
	{Case: "limits/watched keys", Reason: "any number of keys can be watched"},
	{Case: "limits/checks", Reason: "ten checks at most"},
	{Case: "limits/total with keys of checks", Reason: "ten checks at most"},
	{Case: "limits/total with bounds of sums", Reason: "they are not counted"},
	{Case: "limits/metadata exchange body", Reason: anyBody},
	{Case: "limits/metadata exchange body without Content-Length", Reason: anyBody},
	{Case: "limits/snapshot read body", Reason: anyBody},
	{Case: "limits/snapshot read body without Content-Length", Reason: anyBody},
	{Case: "limits/atomic write body", Reason: anyBody},
	{Case: "limits/atomic write body without Content-Length", Reason: anyBody},
	{Case: "limits/watch body", Reason: anyBody},
	{Case: "limits/watch body without Content-Length", Reason: anyBody},
	{Case: "limits/texts", Reason: "its texts are its own"},
}

// startOracle starts the server of clients/oracle and gives its URL.
func startOracle(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	command := clientCommand(ctx, target{}, denoPath(t), "run", "-A", "oracle/oracle.mjs")
	command.Env = append(command.Env, "DBDIR="+t.TempDir()) // it is killed, and could not clean up
	var stderr logBuffer
	command.Stderr = &stderr
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = command.Wait() // it was killed
	})
	lines := bufio.NewReader(stdout)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("the oracle does not start: %v\n%s", err, &stderr)
		}
		if url, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on "); ok {
			go func() { _, _ = io.Copy(io.Discard, lines) }() // ends with the process
			return url
		}
	}
}

// The suites must hold for Deno's own engine too, but for its known faults: they
// say what Deno KV does and not what this server happens to do.
func TestOracle(t *testing.T) {
	t.Parallel()
	needClients(t)
	t.Run("suite", func(t *testing.T) {
		t.Parallel()
		RunHTTP(t, startOracle(t), processToken, differencesOfOracle...)
	})
	t.Run("clients", func(t *testing.T) {
		t.Parallel()
		runSuites(t, target{url: startOracle(t), knownDifferences: "oracle/known_differences.json"})
	})
}
