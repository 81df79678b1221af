package conformance

import (
	"context"
	"flag"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var (
	linearizabilityDuration = flag.Duration("linearizability.duration", 0, "how long TestLinearizability records new histories; each run has at least one")
	linearizabilitySeed     = flag.Uint64("linearizability.seed", 0, "makes the choices of TestLinearizability those of an earlier run; 0 for new ones")
)

// historyPatience bounds one history, which takes a fraction.
const historyPatience = 2 * time.Minute

// conditions are what clients and server have to cope with beside delays.
type conditions struct {
	breakOne int64 // of the proxy between them
	restarts int
	end      func(*process, *testing.T) // of a server that is restarted
}

// What clients on both protocols see of a server is one history, whatever happens
// to their connections and to the server.
func TestLinearizability(t *testing.T) {
	t.Parallel()
	overTransports(t, runLinearizability)
}

func runLinearizability(t *testing.T, over transportKind) {
	seed := *linearizabilitySeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	for name, c := range map[string]conditions{
		"delays":                        {},
		"delays and broken connections": {breakOne: 100},
		"delays and stopped servers":    {restarts: 3, end: (*process).stop},
		"delays and killed servers":     {breakOne: 200, restarts: 6, end: (*process).kill},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			roundSeed := seed
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("for the same choices: -linearizability.seed=%d", roundSeed)
				}
			})
			server := serverOptions{transport: over}.start(t)
			for start := time.Now(); ; roundSeed++ {
				server = c.round(t, server, roundSeed)
				if t.Failed() || time.Since(start) >= *linearizabilityDuration {
					break
				}
			}
			server.stop(t)
		})
	}
}

// bursts gives how many there are in a history. The first ones of a longer history
// are those of a shorter one.
func bursts() int {
	if testing.Short() {
		return 3
	}
	return 6
}

// round records a history and checks it. It gives the server that is there in the
// end.
func (c conditions) round(t *testing.T, server *process, seed uint64) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), historyPatience)
	defer cancel()
	proxy := startRoughProxy(t, server.addr, seed)
	defer proxy.close()
	w := &workload{
		ways: openWays(t, 8, proxy.url, processToken), key: newProbe(ctx, nil).key,
		clients: 8, calls: 25, bursts: bursts(), watches: 6,
		lossy: c.breakOne > 0 || c.restarts > 0, mismatches: true, seed: seed, patience: processPatience,
	}
	proxy.breakOne.Store(c.breakOne)
	r, server := c.record(ctx, t, w, server)

	// A server that has just started has no write under way.
	server.stop(t)
	server = server.restart(t)
	w.ways = openWays(t, 1, server.url, processToken)
	recorded, err := w.finish(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	counts := tallyOf(recorded)
	t.Log(counts)
	if err := recorded.check(); err != nil {
		t.Fatal(err)
	}
	if err := counts.check(w); err != nil {
		t.Error(err)
	}
	return server
}

// record runs the workload, and restarts the server in the middle of it.
func (c conditions) record(ctx context.Context, t *testing.T, w *workload, server *process) (*recorder, *process) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	restart := make(chan struct{}, c.restarts)
	total := int64(w.clients * w.calls * w.bursts)
	every := total / int64(c.restarts+1)
	w.called = func(calls int64) {
		if calls%every == 0 && calls/every <= int64(c.restarts) {
			restart <- struct{}{}
		}
	}
	var r *recorder
	var err error
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		r, err = w.run(ctx)
	}()
	defer func() {
		cancel()
		<-finished // also if the server does not start again
	}()
	for restarted := 0; ; {
		select {
		case <-restart:
			c.end(server, t)
			server = server.restart(t)
			restarted++
		case <-finished:
			if err != nil {
				t.Fatal(err)
			}
			if c.restarts > 0 && restarted == 0 {
				t.Error("the server was not restarted")
			}
			return r, server
		}
	}
}

// openWays gives ways to a server, over one protocol and the other by turns.
func openWays(t *testing.T, n int, url, token string) []database {
	t.Helper()
	ways := make([]database, n)
	for i, way := range openHTTPWays(t, n, url, token) {
		ways[i] = way
	}
	return ways
}

func openHTTPWays(t *testing.T, n int, url, token string) []*httpDatabase {
	t.Helper()
	protocols := slices.Sorted(maps.Keys(httpClients))
	ways := make([]*httpDatabase, n)
	for i := range ways {
		client := httpClients[protocols[i%len(protocols)]]()
		t.Cleanup(client.CloseIdleConnections)
		db, err := openHTTP(t.Context(), client, url, token)
		if err != nil {
			t.Fatal(err)
		}
		ways[i] = db
	}
	return ways
}
