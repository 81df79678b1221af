package conformance

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// restless is how a server is run that closes each database at once, again and again.
func restless() []string { return []string{"--database-idle-timeout", "1ms"} }

// A database of a folder passes all cases, though it is closed whenever nobody uses it.
func TestLiveFolder(t *testing.T) {
	t.Parallel()
	overTransports(t, func(t *testing.T, over transportKind) {
		server := startFolder(t, append(restless(), over.args()...)...)
		server.createDatabase(t, "orders")
		server.createDatabase(t, "others")
		RunHTTP(t, server.url, server.createToken(t, "orders", "write").secret)
	})
}

// The suites of real Deno and Node pass on a database of a folder.
func TestClientSuitesOnAFolder(t *testing.T) {
	t.Parallel()
	needClients(t)
	server := startFolder(t)
	server.createDatabase(t, "orders")
	runSuites(t, target{url: server.url, token: server.createToken(t, "orders", "write").secret})
}

// Two databases of which one at a time may be open are used at once, so that each is closed
// for the other all the time. What the clients of each see is one history.
func TestLinearizabilityOfEvictedDatabases(t *testing.T) {
	t.Parallel()
	seed := *linearizabilitySeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("for the same choices: -linearizability.seed=%d", seed)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), historyPatience)
	defer cancel()
	server := startFolder(t, append(restless(), "--max-open-databases", "1")...)
	var wait sync.WaitGroup
	for i, name := range []string{"orders", "payments"} {
		server.createDatabase(t, name)
		token := server.createToken(t, name, "write")
		w := &workload{
			ways: openWays(t, 4, server.url, token.secret), key: newProbe(ctx, nil).key,
			clients: 4, calls: 25, bursts: bursts(), mismatches: true, seed: seed + uint64(i), patience: processPatience,
		}
		wait.Go(func() {
			r, err := w.run(ctx)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			recorded, err := w.finish(ctx, r)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			counts := tallyOf(recorded)
			t.Logf("%s: %s", name, counts)
			if err := recorded.check(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	wait.Wait()
	awaitAllClosed(t, server.folder)
}

// awaitAllClosed waits until no database of a folder is open: then none has a WAL.
func awaitAllClosed(t *testing.T, folder string) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	var open []string
	for deadline := time.Now().Add(processPatience); time.Now().Before(deadline); <-ticker.C {
		var err error
		if open, err = filepath.Glob(filepath.Join(folder, "databases", "*-wal")); err != nil {
			t.Fatal(err)
		}
		if len(open) == 0 {
			return
		}
	}
	t.Errorf("databases stay open that nobody uses: %v", open)
}
