package auth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/kvconnect/kvconnect/auth"
)

const (
	testIssuer   = "https://login.example.com/"
	testAudience = "kv.example.com"
)

// testTime is when the tests with a clock of their own happen.
var testTime = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// signer is a key of an identity provider.
type signer struct {
	id      string // "" for none
	method  jwt.SigningMethod
	private any
	jwk     map[string]any
}

func newSigner(id string, method jwt.SigningMethod, private any, jwk map[string]any) signer {
	jwk["use"] = "sig"
	jwk["alg"] = method.Alg()
	if id != "" {
		jwk["kid"] = id
	}
	return signer{id: id, method: method, private: private, jwk: jwk}
}

func base64url(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

func rsaSigner(id string, method jwt.SigningMethod, key *rsa.PrivateKey) signer {
	return newSigner(id, method, key, map[string]any{
		"kty": "RSA", "n": base64url(key.N.Bytes()), "e": base64url(big.NewInt(int64(key.E)).Bytes()),
	})
}

// rsaKeys are made once, since that takes long.
var rsaKeys = sync.OnceValue(func() (keys [2]*rsa.PrivateKey) {
	for i := range keys {
		keys[i], _ = rsa.GenerateKey(rand.Reader, 2048)
	}
	return keys
})

func rs256(id string) signer { return rsaSigner(id, jwt.SigningMethodRS256, rsaKeys()[0]) }

func ecSigner(t testing.TB, id string, method jwt.SigningMethod, curve elliptic.Curve) signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes() // 4, X, Y
	if err != nil {
		t.Fatal(err)
	}
	size := len(point) / 2
	return newSigner(id, method, key, map[string]any{
		"kty": "EC", "crv": curve.Params().Name, "x": base64url(point[1 : 1+size]), "y": base64url(point[1+size:]),
	})
}

func es256(t testing.TB, id string) signer {
	t.Helper()
	return ecSigner(t, id, jwt.SigningMethodES256, elliptic.P256())
}

func eddsa(t testing.TB, id string) signer {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return newSigner(id, jwt.SigningMethodEdDSA, private, map[string]any{
		"kty": "OKP", "crv": "Ed25519", "x": base64url(public),
	})
}

// with gives the key as a JWK Set describes it with that member; nil takes it away.
func (s signer) with(member string, value any) signer {
	jwk := map[string]any{}
	for name, old := range s.jwk {
		jwk[name] = old
	}
	if jwk[member] = value; value == nil {
		delete(jwk, member)
	}
	s.jwk = jwk
	return s
}

// sign gives a token with header members that differ from the usual ones.
func (s signer) sign(t testing.TB, header map[string]any, claims jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(s.method, claims)
	if s.id != "" {
		token.Header["kid"] = s.id
	}
	for name, value := range header {
		if token.Header[name] = value; value == nil {
			delete(token.Header, name)
		}
	}
	signed, err := token.SignedString(s.private)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// token gives a valid one for an hour from now.
func (s signer) token(t testing.TB, now time.Time) string {
	t.Helper()
	return s.sign(t, nil, validClaims(now, nil))
}

func validClaims(now time.Time, change func(jwt.MapClaims)) jwt.MapClaims {
	claims := jwt.MapClaims{
		"iss": testIssuer, "aud": testAudience, "sub": "secret-user", "kv_database": "orders", "scope": "read",
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	if change != nil {
		change(claims)
	}
	return claims
}

func keySetOf(t testing.TB, signers ...signer) []byte {
	t.Helper()
	keys := []map[string]any{}
	for _, s := range signers {
		keys = append(keys, s.jwk)
	}
	data, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// publisher serves a JWK Set and counts how often it is asked for it. It is an
// http.Handler and, for tests that have a clock of their own, an http.RoundTripper without
// a network. It is safe for concurrent use.
type publisher struct {
	mu       sync.Mutex
	reply    http.HandlerFunc // guarded by mu
	requests int              // guarded by mu
}

func newPublisher(keySet []byte) *publisher {
	p := &publisher{}
	p.publish(keySet)
	return p
}

func (p *publisher) publish(keySet []byte) {
	p.replyWith(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(keySet) })
}

func (p *publisher) replyWith(reply http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reply = reply
}

func (p *publisher) asked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests
}

func (p *publisher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.requests++
	reply := p.reply
	p.mu.Unlock()
	reply(w, r)
}

func (p *publisher) RoundTrip(r *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	p.ServeHTTP(recorder, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return recorder.Result(), nil
}

// open gives a Provider that reads keys from p without a network. The test closes it.
func (p *publisher) open(t testing.TB, change func(*auth.ProviderOptions)) *auth.Provider {
	t.Helper()
	return openProvider(t, func(options *auth.ProviderOptions) {
		options.JWKS = "https://login.example.com/keys"
		options.Transport = p
		if change != nil {
			change(options)
		}
	})
}

// openProvider gives a Provider that is closed with the test.
func openProvider(t testing.TB, change func(*auth.ProviderOptions)) *auth.Provider {
	t.Helper()
	options := auth.ProviderOptions{Issuer: testIssuer, Audience: testAudience}
	change(&options)
	provider, err := auth.OpenProvider(context.Background(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(provider.Close)
	return provider
}

func atTestTime() time.Time { return testTime }
