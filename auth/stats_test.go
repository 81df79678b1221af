package auth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/protocol"
)

func TestStats(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := auth.New(w.options)
	token, _ := issue(t, a, w.registeredRead)
	verifyAs(t, a, "a token", token, nil)                                                      // a miss and a hit
	verifyAs(t, a, "none", token+"x", protocol.ErrInvalidDataPathToken)                        // two misses
	verifyAs(t, a, "too long", strings.Repeat("x", 100_000), protocol.ErrInvalidDataPathToken) // not looked for
	want := auth.Stats{CacheHits: 1, CacheMisses: 3, SigningKeyID: w.key.ID, SigningKeyCreatedAt: w.key.CreatedAt, VerifyingKeys: 1}
	if diff := cmp.Diff(want, a.Stats()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	w.clock.moveTo(time.Hour)
	keys := auth.Rotate([]auth.Key{w.key}, w.clock.Now(), false)
	a.SetKeys(ringOf(t, keys...))
	verifyAs(t, a, "the token after a rotation", token, nil) // a miss and a hit
	want = auth.Stats{CacheHits: 2, CacheMisses: 4, SigningKeyID: keys[1].ID, SigningKeyCreatedAt: w.clock.Now(), VerifyingKeys: 2}
	if diff := cmp.Diff(want, a.Stats()); diff != "" {
		t.Errorf("after a rotation (-want +got):\n%s", diff)
	}
	w.clock.moveTo(1000 * time.Hour)
	if n := a.Stats().VerifyingKeys; n != 1 {
		t.Errorf("%d keys verify, want 1", n)
	}
}
