package auth_test

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/protocol"
)

// FuzzVerifyIdentity has tokens that anybody could send, none of which is signed by the
// provider unless it is one of the seeds.
func FuzzVerifyIdentity(f *testing.F) {
	key := eddsa(f, "a")
	provider := newPublisher(keySetOf(f, key, rs256("b"), es256(f, "c"))).open(f, withClock)
	seed := key.token(f, testTime)
	f.Add(seed)
	f.Add(key.sign(f, map[string]any{"alg": "RS256", "kid": "b"}, validClaims(testTime, nil)))
	f.Add(key.sign(f, map[string]any{"alg": "ES256", "kid": "c"}, validClaims(testTime, nil)))
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, token string) {
		identity, err := provider.Verify(t.Context(), token)
		checkVerified(t, identity, err)
	})
}

// FuzzVerifyIdentityClaims has tokens that the provider has signed, with any claims.
func FuzzVerifyIdentityClaims(f *testing.F) {
	key := eddsa(f, "a")
	provider := newPublisher(keySetOf(f, key)).open(f, withClock)
	private, ok := key.private.(ed25519.PrivateKey)
	if !ok {
		f.Fatal("no Ed25519 key")
	}
	for _, change := range []func(jwt.MapClaims){
		nil,
		func(c jwt.MapClaims) { c["aud"], c["scope"] = []string{testAudience}, []string{"kv:write"} },
		func(c jwt.MapClaims) { c["exp"] = 1e300 },
	} {
		payload, err := json.Marshal(validClaims(testTime, change))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(payload)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		text := base64url([]byte(`{"alg":"EdDSA"}`)) + "." + base64url(payload)
		identity, err := provider.Verify(t.Context(), text+"."+base64url(ed25519.Sign(private, []byte(text))))
		checkVerified(t, identity, err)
	})
}

func checkVerified(t *testing.T, identity auth.Identity, err error) {
	t.Helper()
	if err != nil {
		if !errors.Is(err, protocol.ErrInvalidAccessToken) && !errors.Is(err, protocol.ErrTokenExpired) {
			t.Errorf("an error that is not for the bearer: %v", err)
		}
		return
	}
	if identity.ID == "" || identity.Database == "" || identity.Scope == "" || !identity.ExpiresAt.After(testTime) {
		t.Errorf("a valid token says no more than %+v", identity)
	}
}
