package conformance

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/kvconnect/kvconnect/protocol"
)

func logged(id string) protocol.Mutation {
	return protocol.Mutation{Type: protocol.MutationSetVersionstampedKey, Key: key("log"), Value: text(id)}
}

func logEntry(id string, version int64) protocol.Entry {
	return protocol.Entry{Key: protocol.VersionstampedKey(key("log"), stamp(version)), Value: text(id), Versionstamp: stamp(version)}
}

// lost is a write that was called at 3.
func lost(mutations ...protocol.Mutation) *writeCall {
	return failAt(3, never, writeLost, nil, nil, mutations...)
}

func TestLostWritesAreResolved(t *testing.T) {
	t.Parallel()
	acknowledged := func() *writeCall { return commitAt(1, 2, 1, nil, logged("1"), setWord("a", "1")) }
	for name, c := range map[string]struct {
		lost   *writeCall
		log    []protocol.Entry
		want   map[moment]writeOutcome // by call
		unmade int
		err    error
	}{
		"made": {
			lost: lost(setWord("a", "2"), logged("2")), log: entries(logEntry("1", 1), logEntry("2", 9)),
			want: map[moment]writeOutcome{1: writeCommitted, 3: writeCommitted},
		},
		"not made": {
			lost: lost(setWord("a", "2"), logged("2")), log: entries(logEntry("1", 1)),
			want: map[moment]writeOutcome{1: writeCommitted}, unmade: 1,
		},
		"nothing to make": {
			lost: lost(), log: entries(logEntry("1", 1)),
			want: map[moment]writeOutcome{1: writeCommitted}, unmade: 1,
		},
		"made twice": {
			lost: lost(logged("2")), log: entries(logEntry("1", 1), logEntry("2", 2), logEntry("2", 3)), err: errMadeTwice,
		},
		"nobody can tell": {lost: lost(setWord("a", "2")), log: entries(logEntry("1", 1)), err: errUndiscovered},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := calls(acknowledged(), c.lost)
			err := h.resolve(c.log)
			if !errors.Is(err, c.err) {
				t.Fatalf("resolve: %v, want %v", err, c.err)
			}
			if err != nil {
				return
			}
			got := make(map[moment]writeOutcome)
			for _, write := range h.writes {
				got[write.call] = write.outcome
			}
			if diff := cmp.Diff(c.want, got); diff != "" || h.unmade != c.unmade {
				t.Errorf("%d were not made, want %d; outcomes (-want +got):\n%s", h.unmade, c.unmade, diff)
			}
			if made := c.lost; made.outcome == writeCommitted && (made.versionstamp != stamp(9) || made.end != never) {
				t.Errorf("the lost write became %s", made)
			}
		})
	}
}

// A search that was given up is no pass.
func TestUndecidedIsAnError(t *testing.T) {
	t.Parallel()
	_, h, err := fault{}.run(t, settlePatience)
	if err != nil {
		t.Fatal(err)
	}
	if err := checkLinearizable(h, time.Nanosecond); !errors.Is(err, errUndecided) {
		t.Errorf("checkLinearizable: %v, want %v", err, errUndecided)
	}
}

func TestPoorHistoryIsAnError(t *testing.T) {
	t.Parallel()
	w, h, err := fault{}.run(t, settlePatience)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append([]string{tallyMismatch}, wanted...) {
		counts := tallyOf(h)
		delete(counts, name)
		if err := counts.check(w); !errors.Is(err, errProvesNothing) {
			t.Errorf("without any %s: %v, want %v", name, err, errProvesNothing)
		}
	}
}
