package auth

import (
	"crypto/ed25519"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/protocol"
)

// clock is a time that a test sets. It is safe for concurrent use.
type clock struct {
	mu  sync.Mutex
	now time.Time // guarded by mu
}

func newClock() *clock { return &clock{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newAuthority(t *testing.T, key ed25519.PrivateKey, now func() time.Time) *Authority {
	t.Helper()
	hash, err := HashAccessToken("abcdefghijkl")
	if err != nil {
		t.Fatal(err)
	}
	return New(hash, key, now)
}

func issue(t *testing.T, a *Authority, id uuid.UUID) (string, time.Time) {
	t.Helper()
	token, expiresAt, err := a.IssueDataPathToken(id)
	if err != nil {
		t.Fatal(err)
	}
	return token, expiresAt
}

func TestVerifyAccessToken(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, GenerateSecrets().SigningKey, nil)
	if err := a.VerifyAccessToken("abcdefghijkl"); err != nil {
		t.Errorf("the right token: %v", err)
	}
	for _, token := range []string{"", "abcdefghijk", "abcdefghijklm", "Abcdefghijkl", strings.Repeat("a", 1<<20)} {
		if err := a.VerifyAccessToken(token); !errors.Is(err, protocol.ErrInvalidAccessToken) {
			t.Errorf("a token of %d bytes: %v, want ErrInvalidAccessToken", len(token), err)
		}
	}
}

func TestHashAccessToken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		token string
		ok    bool
	}{
		"11 characters": {"abcdefghijk", false},
		"12 characters": {"abcdefghijkl", true},
		"generated":     {GenerateAccessToken(), true},
		"with a space":  {"abcdef ghijkl", false},
		"with a break":  {"abcdefghijkl\n", false},
		"not ASCII":     {"äbcdefghijklm", false},
	} {
		if _, err := HashAccessToken(c.token); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrWeakAccessToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if a, b := GenerateAccessToken(), GenerateAccessToken(); a == b || !strings.HasPrefix(a, "kvc_") {
		t.Errorf("generated tokens: %s and %s", a, b)
	}
}

func TestDataPathTokenOutlivesWhatIsAnnounced(t *testing.T) {
	t.Parallel()
	clock, id := newClock(), uuid.New()
	a := newAuthority(t, GenerateSecrets().SigningKey, clock.Now)
	token, expiresAt := issue(t, a, id)
	if got := expiresAt.Sub(clock.Now()); got < time.Hour {
		t.Errorf("announced to expire in %v, which makes clients hurry", got)
	}
	for _, step := range []struct {
		at time.Duration
		ok bool
	}{
		{0, true},
		{announcedLifetime, true},
		{announcedLifetime + 10*time.Minute, true},
		{tokenLifetime - time.Second, true},
		{tokenLifetime, false},
		{tokenLifetime + time.Hour, false},
	} {
		clock.move(step.at - clock.Now().Sub(newClock().Now()))
		cached := a.VerifyDataPathToken(token, id)
		fresh := newAuthority(t, a.signingKey, clock.Now).VerifyDataPathToken(token, id)
		for _, err := range []error{cached, fresh} {
			if (err == nil) != step.ok || err != nil && !errors.Is(err, protocol.ErrInvalidDataPathToken) {
				t.Errorf("after %v: %v, want ok %v", step.at, err, step.ok)
			}
		}
	}
}

func TestDataPathTokensThatAreRefused(t *testing.T) {
	t.Parallel()
	clock, id := newClock(), uuid.New()
	a := newAuthority(t, GenerateSecrets().SigningKey, clock.Now)
	valid, _ := issue(t, a, id)
	header, rest, _ := strings.Cut(valid, ".")
	claims := func(change func(*jwt.RegisteredClaims)) jwt.RegisteredClaims {
		c := jwt.RegisteredClaims{
			Issuer: issuer, Subject: a.subject, Audience: jwt.ClaimStrings{id.String()}, ExpiresAt: jwt.NewNumericDate(clock.Now().Add(time.Hour)),
		}
		change(&c)
		return c
	}
	same := func(*jwt.RegisteredClaims) {}
	sign := func(method jwt.SigningMethod, key any, c jwt.RegisteredClaims) string {
		token, err := jwt.NewWithClaims(method, c).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	own := func(change func(*jwt.RegisteredClaims)) string {
		return sign(jwt.SigningMethodEdDSA, a.signingKey, claims(change))
	}
	if err := a.VerifyDataPathToken(own(same), id); err != nil {
		t.Fatalf("the token that the others differ from: %v", err)
	}
	otherKey := GenerateSecrets().SigningKey
	publicKey, ok := a.signingKey.Public().(ed25519.PublicKey)
	if !ok {
		t.Fatal("no public key")
	}
	for name, token := range map[string]string{
		"nothing":               "",
		"garbage":               "garbage",
		"no signature":          valid[:strings.LastIndexByte(valid, '.')+1],
		"cut short":             valid[:len(valid)-2],
		"other header":          strings.ToUpper(header) + "." + rest,
		"signed by another":     sign(jwt.SigningMethodEdDSA, otherKey, claims(same)),
		"algorithm none":        sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims(same)),
		"HMAC of public key":    sign(jwt.SigningMethodHS256, []byte(publicKey), claims(same)),
		"other issuer":          own(func(c *jwt.RegisteredClaims) { c.Issuer = "other" }),
		"no issuer":             own(func(c *jwt.RegisteredClaims) { c.Issuer = "" }),
		"other access token":    own(func(c *jwt.RegisteredClaims) { c.Subject = subjectOf(AccessTokenHash{1}) }),
		"no access token":       own(func(c *jwt.RegisteredClaims) { c.Subject = "" }),
		"other database":        own(func(c *jwt.RegisteredClaims) { c.Audience = jwt.ClaimStrings{uuid.NewString()} }),
		"two databases":         own(func(c *jwt.RegisteredClaims) { c.Audience = append(c.Audience, uuid.NewString()) }),
		"no database":           own(func(c *jwt.RegisteredClaims) { c.Audience = nil }),
		"database that is none": own(func(c *jwt.RegisteredClaims) { c.Audience = jwt.ClaimStrings{"x"} }),
		"expired":               own(func(c *jwt.RegisteredClaims) { c.ExpiresAt = jwt.NewNumericDate(clock.Now().Add(-time.Second)) }),
		"no expiry":             own(func(c *jwt.RegisteredClaims) { c.ExpiresAt = nil }),
		"not yet valid":         own(func(c *jwt.RegisteredClaims) { c.NotBefore = jwt.NewNumericDate(clock.Now().Add(time.Hour)) }),
		"oversized":             own(func(c *jwt.RegisteredClaims) { c.ID = strings.Repeat("x", maxTokenBytes) }),
		"the access token":      "abcdefghijkl",
	} {
		// Twice: a refused token must not get into the cache.
		for range 2 {
			if err := a.VerifyDataPathToken(token, id); !errors.Is(err, protocol.ErrInvalidDataPathToken) {
				t.Errorf("%s: %v, want ErrInvalidDataPathToken", name, err)
			}
		}
	}
}

func TestVerifiedTokensAreNotVerifiedAgain(t *testing.T) {
	t.Parallel()
	id := uuid.New()
	a := newAuthority(t, GenerateSecrets().SigningKey, nil)
	token, _ := issue(t, a, id)
	if err := a.VerifyDataPathToken(token, id); err != nil {
		t.Fatal(err)
	}
	a.signingKey = GenerateSecrets().SigningKey // whoever verifies now must fail
	if err := a.VerifyDataPathToken(token, id); err != nil {
		t.Errorf("the token was verified again: %v", err)
	}
	if err := a.VerifyDataPathToken(token, uuid.New()); !errors.Is(err, protocol.ErrInvalidDataPathToken) {
		t.Errorf("for another database: %v, want ErrInvalidDataPathToken", err)
	}
}

func TestTokenCacheIsBoundedAndKeepsWhatIsUsed(t *testing.T) {
	t.Parallel()
	c := newTokenCache(10)
	c.put("used", grant{databaseID: uuid.Max})
	for i := range 1000 {
		c.put(strings.Repeat("x", i), grant{})
		if g, known := c.get("used"); !known || g.databaseID != uuid.Max {
			t.Fatalf("after %d others the token in use is forgotten", i)
		}
		if n := len(c.young) + len(c.old); n > 20 {
			t.Fatalf("the cache holds %d tokens", n)
		}
	}
	if _, known := c.get("x"); known {
		t.Error("a token that nobody uses is still there")
	}
}

func BenchmarkVerifyDataPathToken(b *testing.B) {
	id := uuid.New()
	a := New(AccessTokenHash{}, GenerateSecrets().SigningKey, nil)
	token, _, err := a.IssueDataPathToken(id)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := a.VerifyDataPathToken(token, id); err != nil {
			b.Fatal(err)
		}
	}
}
