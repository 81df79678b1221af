package conformance

import (
	"crypto"
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
	"os"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	identityIssuer   = "https://identity.example"
	identityAudience = "kv"
)

// identityProvider issues tokens with a key of each kind, whose id is the algorithm.
type identityProvider struct {
	keys map[string]crypto.Signer
}

func newIdentityProvider(t *testing.T) *identityProvider {
	t.Helper()
	ofRSA, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ofP256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ofEd25519, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &identityProvider{map[string]crypto.Signer{"RS256": ofRSA, "ES256": ofP256, "EdDSA": ofEd25519}}
}

// keySet gives the public keys in the form of a JWK Set.
func (p *identityProvider) keySet(t *testing.T) []byte {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	var keys []map[string]string
	for id, key := range p.keys {
		jwk := map[string]string{"kid": id, "alg": id, "use": "sig"}
		switch public := key.Public().(type) {
		case *rsa.PublicKey:
			jwk["kty"], jwk["n"], jwk["e"] = "RSA", encode(public.N.Bytes()), encode(big.NewInt(int64(public.E)).Bytes())
		case *ecdsa.PublicKey:
			point, err := public.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			jwk["kty"], jwk["crv"], jwk["x"], jwk["y"] = "EC", "P-256", encode(point[1:33]), encode(point[33:])
		case ed25519.PublicKey:
			jwk["kty"], jwk["crv"], jwk["x"] = "OKP", "Ed25519", encode(public)
		}
		keys = append(keys, jwk)
	}
	set, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// token gives an access token for a database. keyID is the id that it names, which is that
// of the key for the algorithm unless nobody is to know it.
func (p *identityProvider) token(t *testing.T, algorithm, keyID, database, scope string) string {
	t.Helper()
	unsigned := jwt.NewWithClaims(jwt.GetSigningMethod(algorithm), jwt.MapClaims{
		"iss": identityIssuer, "aud": identityAudience, "sub": "program with " + algorithm,
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(), "kv_database": database, "scope": scope,
	})
	unsigned.Header["kid"] = keyID
	signed, err := unsigned.SignedString(p.keys[algorithm])
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// Programs come with tokens of the user's own provider, and go on with them when the
// provider is gone.
func TestOwnIdentityProvider(t *testing.T) {
	t.Parallel()
	needClients(t)
	provider := newIdentityProvider(t)
	keySet := provider.keySet(t)
	t.Run("from a URL", func(t *testing.T) {
		t.Parallel()
		overRuntimes(t, func(t *testing.T, runtime clientRuntime) {
			published := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write(keySet)
			}))
			t.Cleanup(published.Close)
			provider.run(t, runtime, published.URL+"/jwks.json", published.Close)
		})
	})
	t.Run("from a file", func(t *testing.T) {
		t.Parallel()
		path := writeFile(t, string(keySet))
		provider.run(t, runtimeDeno, path, func() {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		})
	})
}

// run has programs use tokens of the provider, whose keys are at the location until it goes
// down.
func (p *identityProvider) run(t *testing.T, runtime clientRuntime, location string, goDown func()) {
	t.Helper()
	server := startFolder(t, "--jwks", location, "--jwt-issuer", identityIssuer, "--jwt-audience", identityAudience)
	id := server.createDatabase(t, "orders")
	server.createDatabase(t, "others")
	early := startProgram(t, runtime)
	var workers []*running
	for algorithm := range p.keys {
		kv := early.open(t, server.url, p.token(t, algorithm, algorithm, "orders", "openid kv:write"))
		workers = append(workers, kv.work(t, algorithm))
	}
	goDown()
	late := startProgram(t, runtime)
	for algorithm := range p.keys {
		kv := late.open(t, server.url+"/databases/orders", p.token(t, algorithm, algorithm, id, "kv:read"))
		watch := kv.watch(t, algorithm)
		watch.awaitRounds(t, 1)
		_, err := kv.set(t, "a", "1")
		wantText(t, "set", err, "403", "this access token may only read")
	}
	for _, worker := range workers {
		worker.awaitRounds(t, 5)
	}
	p.wantRefused(t, late, server)
	for _, worker := range workers {
		worker.rest(t)
	}
}

// wantRefused has a program come with tokens that open nothing.
func (p *identityProvider) wantRefused(t *testing.T, with *program, server *folderServer) {
	t.Helper()
	_, stranger, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other := &identityProvider{map[string]crypto.Signer{"EdDSA": stranger}}
	for name, c := range map[string]struct{ url, token, text string }{
		"unknown key":      {server.url, p.token(t, "EdDSA", "new", "orders", "write"), "key (header kid) that the provider does not publish"},
		"key of another":   {server.url, other.token(t, "EdDSA", "EdDSA", "orders", "write"), "401"},
		"no scope":         {server.url, p.token(t, "RS256", "RS256", "orders", "openid"), "scope"},
		"another database": {server.url + "/databases/others", p.token(t, "RS256", "RS256", "orders", "write"), "no such database"},
		"no such database": {server.url + "/databases/nothing", p.token(t, "RS256", "RS256", "orders", "write"), "no such database"},
		"database is gone": {server.url, p.token(t, "RS256", "RS256", "gone", "write"), "no such database"},
		"unsigned":         {server.url, unsignedToken(t), "401"},
	} {
		_, err := with.tryOpen(t, c.url, c.token)
		wantText(t, name, err, c.text)
	}
}

// unsignedToken gives a token that claims everything and proves nothing.
func unsignedToken(t *testing.T) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{
		"iss": identityIssuer, "aud": identityAudience, "sub": "nobody", "exp": time.Now().Add(time.Hour).Unix(),
		"kv_database": "orders", "scope": "write",
	}).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	return token
}
