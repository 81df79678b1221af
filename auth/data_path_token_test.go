package auth_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/protocol"
)

// verifyAs checks what becomes of a data path token, twice: one that is refused must not
// get into the cache.
func verifyAs(t testing.TB, a *auth.Authority, name, token string, want error) {
	t.Helper()
	for range 2 {
		if grant, err := a.VerifyDataPathToken(token); !errors.Is(err, want) || (grant == nil) != (want != nil) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}

func publicKeyOf(t testing.TB, key auth.Key) ed25519.PublicKey {
	t.Helper()
	public, ok := key.Private.Public().(ed25519.PublicKey)
	if !ok {
		t.Fatal("no public key")
	}
	return public
}

// Who verifies elsewhere reads these.
func TestWhatADataPathTokenSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := auth.New(w.options)
	for name, c := range map[string]struct {
		grant *access.Grant
		want  jwt.MapClaims
	}{
		"registered": {w.registeredRead, jwt.MapClaims{"sub": "t_read", "scope": "read"}},
		"external": {authorize(t, a, externalToken, ""), jwt.MapClaims{
			"sub": "x_somebody", "scope": "read",
			"exp":        float64(w.identity.ExpiresAt.Unix()),
			"access_exp": float64(w.identity.ExpiresAt.Unix()),
		}},
	} {
		token, _ := issue(t, a, c.grant)
		claims := jwt.MapClaims{}
		parsed, err := jwt.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return publicKeyOf(t, w.key), nil }, jwt.WithTimeFunc(w.clock.Now))
		if err != nil {
			t.Fatal(err)
		}
		want := jwt.MapClaims{
			"iss": "kvconnect", "aud": []any{w.orders.ID.String()},
			"iat": float64(startOfClocks.Unix()), "exp": float64(startOfClocks.Add(48 * time.Hour).Unix()),
		}
		maps.Copy(want, c.want)
		if diff := cmp.Diff(want, claims); diff != "" {
			t.Errorf("%s: claims (-want +got):\n%s", name, diff)
		}
		header := map[string]any{"alg": "EdDSA", "typ": "JWT", "kid": w.key.ID}
		if diff := cmp.Diff(header, parsed.Header); diff != "" {
			t.Errorf("%s: header (-want +got):\n%s", name, diff)
		}
	}
}

func TestTheLongestDataPathTokenIsAccepted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.identity.ID, w.identity.Scope = longIdentityID(), access.ScopeWrite
	a := auth.New(w.options)
	token, _ := issue(t, a, authorize(t, a, externalToken, ""))
	verifyAs(t, a, "the longest token", token, nil)
}

func TestDataPathTokenOutlivesWhatIsAnnounced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := auth.New(w.options)
	token, expiresAt := issue(t, a, w.registeredRead)
	if got := expiresAt.Sub(startOfClocks); got != 24*time.Hour {
		t.Errorf("announced to expire in %v", got)
	}
	for _, step := range []struct {
		at   time.Duration
		want error
	}{
		{0, nil},
		{24 * time.Hour, nil},
		{24*time.Hour + 10*time.Minute, nil},
		{48*time.Hour - time.Second, nil},
		{48 * time.Hour, protocol.ErrInvalidDataPathToken},
		{49 * time.Hour, protocol.ErrInvalidDataPathToken},
	} {
		w.clock.moveTo(step.at)
		verifyAs(t, a, step.at.String()+", cached", token, step.want)
		verifyAs(t, auth.New(w.options), step.at.String()+", fresh", token, step.want)
	}
}

// Clients must not be made to hurry, even when the access token is about to expire.
func TestDataPathTokenEndsWithItsAccessToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := auth.New(w.options)
	_, registered := w.registry.addToken(t, "t_short", w.orders, access.ScopeWrite, startOfClocks.Add(90*time.Second+500*time.Millisecond))
	w.identity.ExpiresAt = startOfClocks.Add(90*time.Second + 500*time.Millisecond)
	external := authorize(t, a, externalToken, "")
	for name, grant := range map[string]*access.Grant{"registered": registered, "external": external} {
		w.clock.moveTo(0)
		token, expiresAt := issue(t, a, grant)
		if got := expiresAt.Sub(startOfClocks); got != 24*time.Hour {
			t.Errorf("%s: announced to expire in %v", name, got)
		}
		w.clock.moveTo(89 * time.Second)
		verifyAs(t, a, name+", before", token, nil)
		if name == "registered" { // providers know whole seconds only
			w.clock.moveTo(90*time.Second + 499*time.Millisecond)
			verifyAs(t, a, name+", a moment before", token, nil)
		}
		w.clock.moveTo(90*time.Second + 500*time.Millisecond)
		verifyAs(t, a, name+", at the end", token, protocol.ErrTokenExpired)
		w.clock.moveTo(91 * time.Second)
		verifyAs(t, a, name+", after", token, protocol.ErrTokenExpired)
		verifyAs(t, auth.New(w.options), name+", after a restart", token, protocol.ErrTokenExpired)
	}
}

// The clock of a server may be set back a little.
func TestTokensOfTheNearFutureAreAccepted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token, _ := issue(t, auth.New(w.options), w.registeredRead)
	w.clock.moveTo(-time.Minute)
	verifyAs(t, auth.New(w.options), "set back by a minute", token, nil)
	w.clock.moveTo(-time.Minute - time.Second)
	verifyAs(t, auth.New(w.options), "set back by more", token, protocol.ErrInvalidDataPathToken)
}

func TestDataPathTokensThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := auth.New(w.options)
	valid, _ := issue(t, a, w.registeredRead)
	parts := strings.Split(valid, ".")
	other := auth.GenerateKey(startOfClocks)
	public := publicKeyOf(t, w.key)
	elliptical, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	masterID := authorize(t, a, masterToken, "orders").TokenID

	// sign makes a token like the valid one, but for what is changed.
	type changes func(header map[string]any, claims jwt.MapClaims)
	same := func(map[string]any, jwt.MapClaims) {}
	sign := func(method jwt.SigningMethod, key any, change changes) string {
		claims := jwt.MapClaims{
			"iss": "kvconnect", "sub": "t_read", "aud": []string{w.orders.ID.String()}, "scope": "read",
			"iat": startOfClocks.Unix(), "exp": startOfClocks.Add(time.Hour).Unix(),
		}
		token := jwt.NewWithClaims(method, claims)
		token.Header["kid"] = w.key.ID
		change(token.Header, claims)
		signed, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	own := func(change changes) string { return sign(jwt.SigningMethodEdDSA, w.key.Private, change) }
	external := func(change changes) string {
		return own(func(header map[string]any, claims jwt.MapClaims) {
			claims["sub"] = "x_somebody"
			change(header, claims)
		})
	}
	with := func(claim string, value any) string {
		return own(func(_ map[string]any, claims jwt.MapClaims) { claims[claim] = value })
	}
	without := func(claim string) string {
		return own(func(_ map[string]any, claims jwt.MapClaims) { delete(claims, claim) })
	}
	withKeyID := func(id any) string {
		return own(func(header map[string]any, _ jwt.MapClaims) { header["kid"] = id })
	}
	at := func(d time.Duration) int64 { return startOfClocks.Add(d).Unix() }
	segment := func(v any) string {
		encoded, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(encoded)
	}

	verifyAs(t, a, "the token that the others differ from", own(same), nil)
	verifyAs(t, a, "the like of an identity", external(same), nil)
	verifyAs(t, a, "its audience alone instead of in a list", with("aud", w.orders.ID.String()), nil)
	for name, token := range map[string]string{
		"nothing":             "",
		"garbage":             "garbage",
		"three empty parts":   "..",
		"no signature":        parts[0] + "." + parts[1] + ".",
		"no third part":       parts[0] + "." + parts[1],
		"four parts":          valid + ".",
		"cut short":           valid[:len(valid)-2],
		"a break at the end":  valid + "\n",
		"a break within":      valid[:len(valid)-4] + "\r\n" + valid[len(valid)-4:],
		"padded":              valid + "==",
		"other unused bits":   valid[:len(valid)-1] + string(valid[len(valid)-1]+1),
		"other header":        strings.ToUpper(parts[0]) + "." + parts[1] + "." + parts[2],
		"header of the valid": parts[0] + "." + segment(jwt.MapClaims{"iss": "kvconnect"}) + "." + parts[2],
		"claims no object":    parts[0] + "." + segment("x") + "." + parts[2],
		"oversized":           with("jti", strings.Repeat("x", 1024)),
		"an access token":     w.token,
		"a foreign token":     externalToken,

		"algorithm none":           sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, same),
		"algorithm none, signed":   segment(map[string]any{"alg": "none", "typ": "JWT", "kid": w.key.ID}) + "." + parts[1] + "." + parts[2],
		"algorithm missing":        segment(map[string]any{"typ": "JWT", "kid": w.key.ID}) + "." + parts[1] + "." + parts[2],
		"algorithm unknown":        segment(map[string]any{"alg": "EdDSA2", "typ": "JWT", "kid": w.key.ID}) + "." + parts[1] + "." + parts[2],
		"HMAC with the public key": sign(jwt.SigningMethodHS256, []byte(public), same),
		"HMAC with its base64":     sign(jwt.SigningMethodHS512, []byte(base64.RawURLEncoding.EncodeToString(public)), same),
		"ECDSA":                    sign(jwt.SigningMethodES256, elliptical, same),

		"signed by another":      sign(jwt.SigningMethodEdDSA, other.Private, same),
		"unknown key id":         withKeyID(other.ID),
		"unknown key":            sign(jwt.SigningMethodEdDSA, other.Private, func(header map[string]any, _ jwt.MapClaims) { header["kid"] = other.ID }),
		"missing key id":         own(func(header map[string]any, _ jwt.MapClaims) { delete(header, "kid") }),
		"empty key id":           withKeyID(""),
		"key id that is no text": withKeyID([]string{w.key.ID}),
		"its own key": sign(jwt.SigningMethodEdDSA, other.Private, func(header map[string]any, _ jwt.MapClaims) {
			header["jwk"] = map[string]any{"kty": "OKP", "crv": "Ed25519", "x": base64.RawURLEncoding.EncodeToString(publicKeyOf(t, other))}
		}),

		"other issuer":               with("iss", "other"),
		"no issuer":                  without("iss"),
		"other database":             with("aud", []string{w.other.ID.String()}),
		"unknown database":           with("aud", []string{uuid.NewString()}),
		"two databases":              with("aud", []string{w.orders.ID.String(), w.other.ID.String()}),
		"one database twice":         with("aud", []string{w.orders.ID.String(), w.orders.ID.String()}),
		"no database":                without("aud"),
		"empty list of databases":    with("aud", []string{}),
		"name of a database":         with("aud", []string{"orders"}),
		"other scope":                with("scope", "write"),
		"unknown scope":              with("scope", "admin"),
		"no scope":                   without("scope"),
		"scope that is a list":       with("scope", []string{"read"}),
		"unknown access token":       with("sub", "t_unknown"),
		"no access token":            without("sub"),
		"other master token":         with("sub", "m_0000000000000000"),
		"master token that may read": with("sub", masterID),
		"access token not as text":   with("sub", 1),
		"identity without a scope":   external(func(_ map[string]any, claims jwt.MapClaims) { delete(claims, "scope") }),
		"identity of unknown scope":  external(func(_ map[string]any, claims jwt.MapClaims) { claims["scope"] = "admin" }),
		"identity in no database":    external(func(_ map[string]any, claims jwt.MapClaims) { claims["aud"] = uuid.NewString() }),

		"expired":               with("exp", at(0)),
		"expired long ago":      with("exp", at(-time.Hour)),
		"no expiry":             without("exp"),
		"expiry that is text":   with("exp", "2030-01-01"),
		"not yet valid":         with("nbf", at(time.Hour)),
		"issued in the future":  with("iat", at(time.Hour)),
		"not said when issued":  without("iat"),
		"expiry beyond numbers": with("exp", -1e300),
	} {
		verifyAs(t, a, name, token, protocol.ErrInvalidDataPathToken)
	}
	verifyAs(t, a, "the valid one after all others", valid, nil)
}

func TestTokensOfWhatIsSwitchedOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := auth.New(w.options)
	master, _ := issue(t, a, authorize(t, a, masterToken, "orders"))
	external, _ := issue(t, a, authorize(t, a, externalToken, ""))
	changed := hashOf(t, "another-master-token")
	for name, c := range map[string]struct {
		token  string
		change func(*auth.Options)
	}{
		"no master token":      {master, func(o *auth.Options) { o.Master = nil }},
		"another master token": {master, func(o *auth.Options) { o.Master = &changed }},
		"no identities":        {external, func(o *auth.Options) { o.Identity = nil }},
	} {
		options := w.options
		c.change(&options)
		verifyAs(t, auth.New(options), name, c.token, protocol.ErrInvalidDataPathToken)
	}
}

func TestDataPathTokensSurviveARestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := auth.New(w.options)
	calls := 0
	w.options.Identity = verifierFunc(func(string) (auth.Identity, error) {
		calls++
		return auth.Identity{}, protocol.ErrUnavailable
	})
	after := auth.New(w.options)
	for name, grant := range map[string]*access.Grant{
		"registered": w.registeredRead,
		"master":     authorize(t, before, masterToken, "orders"),
		"external":   authorize(t, before, externalToken, ""),
	} {
		first, _ := issue(t, before, grant)
		w.clock.move(time.Second)
		second, _ := issue(t, before, grant)
		got, err := after.VerifyDataPathToken(first)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.TokenID != grant.TokenID || got.DatabaseID != grant.DatabaseID || got.Scope != grant.Scope ||
			!got.ExpiresAt.Equal(grant.ExpiresAt) || got.Database != grant.Database {
			t.Errorf("%s: the grant is %s %s in %v until %v", name, got.TokenID, got.Scope, got.DatabaseID, got.ExpiresAt)
		}
		if shared, err := after.VerifyDataPathToken(second); err != nil || shared != got {
			t.Errorf("%s: another token of it has another grant, or none: %v", name, err)
		}
	}
	if calls > 0 {
		t.Errorf("the provider was asked %d times", calls)
	}
}

func TestRevocationBeatsTheCache(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := auth.New(w.options)
	token, _ := issue(t, a, w.registeredRead)
	verifyAs(t, a, "before", token, nil)
	w.registeredRead.Revoke()
	verifyAs(t, a, "after", token, protocol.ErrTokenRevoked)
	verifyAs(t, auth.New(w.options), "after a restart", token, protocol.ErrTokenRevoked)
	w.registry.removeToken("t_read")
	verifyAs(t, auth.New(w.options), "once it is forgotten", token, protocol.ErrInvalidDataPathToken)
}

func TestVerifyingNotesTheUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := auth.New(w.options)
	token, _ := issue(t, a, w.registeredRead)
	for range 3 {
		w.clock.move(time.Minute)
		verifyAs(t, a, "the token", token, nil)
		if got := w.registeredRead.LastUsed(); !got.Equal(w.clock.Now()) {
			t.Errorf("last used at %v, want %v", got, w.clock.Now())
		}
	}
	w.registeredRead.Revoke()
	last := w.clock.Now()
	w.clock.move(time.Minute)
	verifyAs(t, a, "the revoked token", token, protocol.ErrTokenRevoked)
	if got := w.registeredRead.LastUsed(); !got.Equal(last) {
		t.Errorf("a refused token was last used at %v, want %v", got, last)
	}
}

//nolint:paralleltest // allocations are counted for the whole process
func TestACachedTokenIsVerifiedWithoutAllocating(t *testing.T) {
	w := newWorld(t)
	a := auth.New(w.options)
	token, _ := issue(t, a, w.registeredRead)
	verify := func() {
		if _, err := a.VerifyDataPathToken(token); err != nil {
			t.Error(err)
		}
	}
	verify()
	if got := testing.AllocsPerRun(100, verify); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func BenchmarkVerifyDataPathToken(b *testing.B) {
	w := newWorld(b)
	w.options.Now = nil
	a := auth.New(w.options)
	token, _ := issue(b, a, w.registeredRead)
	b.Run("cached", func(b *testing.B) {
		for b.Loop() {
			if _, err := a.VerifyDataPathToken(token); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("uncached", func(b *testing.B) {
		for b.Loop() {
			a.SetKeys(w.options.Keys) // forgets what was verified
			if _, err := a.VerifyDataPathToken(token); err != nil {
				b.Fatal(err)
			}
		}
	})
}
