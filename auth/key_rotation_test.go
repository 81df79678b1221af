package auth_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/protocol"
)

func TestRotatedKeysVerifyUntilTheirTokensRanOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := auth.New(w.options)
	old, _ := issue(t, a, w.registeredRead)
	verifyAs(t, a, "before the rotation", old, nil)

	w.clock.moveTo(time.Hour)
	last, _ := issue(t, a, w.registeredRead)
	keys := auth.Rotate([]auth.Key{w.key}, w.clock.Now(), false)
	a.SetKeys(ringOf(t, keys...))
	created, _ := issue(t, a, w.registeredRead)
	parsed, _, err := jwt.NewParser().ParseUnverified(created, jwt.MapClaims{})
	if err != nil || parsed.Header["kid"] != keys[1].ID {
		t.Errorf("a new token names the key %v, %v; want %s", parsed.Header["kid"], err, keys[1].ID)
	}
	for name, token := range map[string]string{"old": old, "last": last, "new": created} {
		verifyAs(t, a, name+" after the rotation", token, nil)
	}

	w.clock.moveTo(48 * time.Hour)
	verifyAs(t, a, "old after two days", old, protocol.ErrInvalidDataPathToken)
	verifyAs(t, a, "last after two days", last, nil)
	w.clock.moveTo(49 * time.Hour)
	verifyAs(t, a, "last after its time", last, protocol.ErrInvalidDataPathToken)
	w.clock.moveTo(51 * time.Hour)
	if keys = auth.Rotate(keys, w.clock.Now(), false); len(keys) != 2 {
		t.Errorf("%d keys are left, want 2", len(keys))
	}
}

// Whoever has a retired key can sign what they like: it must end all the same.
func TestNothingOutlivesItsKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := auth.New(w.options)
	forged := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{
		"iss": "kvconnect", "sub": "t_read", "aud": []string{w.orders.ID.String()}, "scope": "read",
		"iat": startOfClocks.Unix(), "exp": startOfClocks.Add(1000 * time.Hour).Unix(),
	})
	forged.Header["kid"] = w.key.ID
	token, err := forged.SignedString(w.key.Private)
	if err != nil {
		t.Fatal(err)
	}
	ring := ringOf(t, auth.Rotate([]auth.Key{w.key}, startOfClocks, false)...)
	a.SetKeys(ring)
	w.clock.moveTo(49*time.Hour - time.Second)
	verifyAs(t, a, "before", token, nil)
	w.clock.moveTo(49 * time.Hour)
	verifyAs(t, a, "cached", token, protocol.ErrInvalidDataPathToken)
	w.options.Keys = ring
	verifyAs(t, auth.New(w.options), "fresh", token, protocol.ErrInvalidDataPathToken)
}

func TestTokensDieWithADroppedKeyEvenIfCached(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := auth.New(w.options)
	token, _ := issue(t, a, w.registeredRead)
	verifyAs(t, a, "before", token, nil)
	a.SetKeys(ringOf(t, auth.Rotate([]auth.Key{w.key}, startOfClocks, true)...))
	verifyAs(t, a, "after", token, protocol.ErrInvalidDataPathToken)
	created, _ := issue(t, a, w.registeredRead)
	verifyAs(t, a, "a new one", created, nil)
}

// While keys rotate no valid token is refused, and once a token was revoked, or its key
// dropped, no call that begins later accepts it.
func TestVerifyingWhileRotatingAndRevoking(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := auth.New(w.options)
	_, victim := w.registry.addToken(t, "t_victim", w.orders, access.ScopeWrite, time.Time{})
	revoked, _ := issue(t, a, victim)
	verifyAs(t, a, "before it is revoked", revoked, nil)

	var (
		current  atomic.Pointer[string] // has never been invalid
		dead     [2]atomic.Pointer[string]
		verified atomic.Int64
		stopped  atomic.Bool
		readers  sync.WaitGroup
	)
	setCurrent := func() {
		token, _ := issue(t, a, w.registeredRead)
		current.Store(&token)
	}
	setCurrent()
	for range 4 {
		readers.Go(func() {
			for !stopped.Load() {
				for i := range dead {
					if token := dead[i].Load(); token != nil {
						if _, err := a.VerifyDataPathToken(*token); err == nil {
							t.Error("a token was accepted after it had died")
						}
					}
				}
				token := current.Load()
				if _, err := a.VerifyDataPathToken(*token); err != nil && current.Load() == token {
					t.Errorf("a valid token: %v", err)
				}
				if _, err := a.Authorize(t.Context(), masterToken, "orders"); err != nil {
					t.Errorf("the master token: %v", err)
				}
				verified.Add(1)
			}
		})
	}
	awaitReaders := func() {
		for until := verified.Load() + 20; verified.Load() < until && !t.Failed(); {
			runtime.Gosched()
		}
	}

	keys := []auth.Key{w.key}
	for range 20 {
		keys = auth.Rotate(keys, startOfClocks, false)
		a.SetKeys(ringOf(t, keys...))
		setCurrent()
		a.ForgetDatabase(w.other.ID)
		awaitReaders()
	}
	victim.Revoke()
	dead[0].Store(&revoked)
	awaitReaders()

	leaked, spare := *current.Load(), auth.GenerateKey(startOfClocks.Add(time.Second))
	a.SetKeys(ringOf(t, append(keys, spare)...))
	setCurrent()
	a.SetKeys(ringOf(t, spare))
	dead[1].Store(&leaked)
	awaitReaders()
	stopped.Store(true)
	readers.Wait()
	verifyAs(t, a, "of a dropped key", leaked, protocol.ErrInvalidDataPathToken)
}
