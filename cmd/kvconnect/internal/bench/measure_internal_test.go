package bench

import (
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/protocol/datapath"
)

func TestCPUTimes(t *testing.T) {
	t.Parallel()
	times := func(server, client time.Duration) cpuTimes { return cpuTimes{server: &server, client: &client} }
	if d := times(5, 70).since(times(3, 30)); *d.server != 2 || *d.client != 40 {
		t.Errorf("from 3 to 5 it is %v, from 30 to 70 %v", *d.server, *d.client)
	}
	if d := times(5, 70).plus(times(3, 30)); *d.server != 8 || *d.client != 100 {
		t.Errorf("3 and 5 are %v, 30 and 70 %v", *d.server, *d.client)
	}
	unknown := cpuTimes{}
	for _, d := range []cpuTimes{unknown.since(times(1, 1)), times(1, 1).since(unknown), unknown.plus(times(1, 1)), times(1, 1).plus(unknown)} {
		if d != unknown {
			t.Errorf("what cannot be known is %v", d)
		}
	}
}

// The CPU of the warm-up does not count.
func TestMeterBeginsAtItsStart(t *testing.T) {
	t.Parallel()
	if d := startMeter(t.Context(), 0, time.Now().Add(time.Hour)).stop(); d != (cpuTimes{}) {
		t.Errorf("before its start it measured %v", d)
	}
	if d := startMeter(t.Context(), 0, time.Now()).stop(); d.server != nil {
		t.Errorf("no process has used %v", *d.server)
	}
}

// Workers differ, rounds differ, and the same seed makes the same choices.
func TestRandomChoices(t *testing.T) {
	t.Parallel()
	choice := func(seed uint64, round, worker int) uint64 {
		return (&environment{options: &Options{Seed: seed}, round: round}).random(worker).Uint64()
	}
	seen := make(map[uint64]bool)
	for _, c := range []struct {
		seed          uint64
		round, worker int
	}{{1, 0, 0}, {1, 0, 1}, {1, 1, 0}, {1, 1, 1}, {2, 0, 0}} {
		n := choice(c.seed, c.round, c.worker)
		if seen[n] || n != choice(c.seed, c.round, c.worker) {
			t.Errorf("%+v chooses %d, as another does, or not again", c, n)
		}
		seen[n] = true
	}
}

func TestEntriesThatWereNotStored(t *testing.T) {
	t.Parallel()
	set := entrySet{value: make([]byte, 3)}
	for name, c := range map[string]struct {
		entry entry
		right bool
	}{
		"stored":           {entry{value: []byte("abc"), encoding: datapath.ValueEncoding_VE_BYTES}, true},
		"short":            {entry{value: []byte("ab"), encoding: datapath.ValueEncoding_VE_BYTES}, false},
		"another encoding": {entry{value: []byte("abc"), encoding: datapath.ValueEncoding_VE_V8}, false},
	} {
		if err := set.check(c.entry); (err == nil) != c.right {
			t.Errorf("%s: %v", name, err)
		}
	}
}
