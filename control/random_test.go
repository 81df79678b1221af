package control_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
)

var (
	randomRuns  = flag.Int("random.runs", 4, "how many stores TestRandomSteps compares with the model")
	randomSteps = flag.Int("random.steps", 250, "how many steps TestRandomSteps takes with each")
	randomSeed  = flag.Uint64("random.seed", 1, "the seed of the first store of TestRandomSteps")
)

// Whatever is done to a store, it has what the model has, and has it after it was opened
// again too.
func TestRandomSteps(t *testing.T) {
	t.Parallel()
	for run := range *randomRuns {
		seed := *randomSeed + uint64(run)
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			path, c, m, random := tempPath(t), new(clock), newModel(), rand.New(rand.NewPCG(seed, 0))
			store := open(t, path, c)
			for n := range *randomSteps {
				taken := m.next(random)
				if err := m.takeBoth(t.Context(), taken, store, c); err != nil {
					t.Fatalf("step %d: %v", n, err)
				}
				if random.IntN(25) == 0 {
					closeStore(t, store)
					if err := m.flushLastUsed(random).inModel(m); err != nil {
						t.Fatal(err)
					}
					store = open(t, path, c)
				}
				if diff := m.compare(store); diff != "" {
					t.Fatalf("after step %d, %s (-model +store):\n%s", n, taken.name, diff)
				}
			}
			if m.made == 0 || len(m.deleted) == 0 || len(m.keys) == 0 {
				t.Errorf("there were %d tokens, %d of which were deleted, and %d keys", m.made, len(m.deleted), len(m.keys))
			}
		})
	}
}

// sameEnd tells whether a step ended in the store as it did in the model.
func sameEnd(want, got error) bool { return (want == nil) == (got == nil) && errors.Is(got, want) }
