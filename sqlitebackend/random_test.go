package sqlitebackend_test

import (
	"flag"
	"testing"

	"github.com/kvconnect/kvconnect/conformance"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

var (
	randomRuns   = flag.Int("random.runs", 8, "how many databases TestRandomWrites compares with the model")
	randomWrites = flag.Int("random.writes", 500, "how many writes TestRandomWrites makes in each")
	randomSeed   = flag.Uint64("random.seed", 1, "the seed of the first database of TestRandomWrites")
)

func TestRandomWrites(t *testing.T) {
	t.Parallel()
	runs := conformance.RandomRuns{Runs: *randomRuns, Writes: *randomWrites, Seed: *randomSeed}
	conformance.RunRandom(t, runs, func(t *testing.T, clock *conformance.Clock) kvconnect.Backend {
		t.Helper()
		backend, err := sqlitebackend.Open(sqlitebackend.Options{Path: tempPath(t), Clock: clock})
		if err != nil {
			t.Fatal(err)
		}
		return backend
	})
}
