package service_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/admin"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/datadir"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/service"
	"github.com/kvconnect/kvconnect/control"
)

// provider signs as the user's own identity provider does, whose keys are in a file.
type provider struct {
	key     ed25519.PrivateKey
	options service.IdentityOptions
}

func newProvider(t *testing.T) provider {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "jwks.json")
	keys := `{"keys":[{"kty":"OKP","crv":"Ed25519","use":"sig","alg":"EdDSA","kid":"k1","x":"` +
		base64.RawURLEncoding.EncodeToString(public) + `"}]}`
	if err := os.WriteFile(path, []byte(keys), 0o600); err != nil {
		t.Fatal(err)
	}
	return provider{key: key, options: service.IdentityOptions{
		JWKS: path, Issuer: "https://login.example.com/", Audience: "kv.example.com", DatabaseClaim: "db", ScopeClaim: "rights",
	}}
}

// sign gives a token of somebody who may write, with other claims.
func (p provider) sign(t *testing.T, database string, others jwt.MapClaims) string {
	t.Helper()
	claims := jwt.MapClaims{
		"iss": p.options.Issuer, "aud": p.options.Audience, "sub": "somebody", "exp": time.Now().Add(time.Hour).Unix(),
		"db": database, "rights": "write",
	}
	maps.Copy(claims, others)
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims)
	token.Header["kid"] = "k1"
	signed, err := token.SignedString(p.key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// Tokens of the user's own provider open the database that they name, as far as they say.
func TestIdentity(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	options := folderOptions(filepath.Join(t.TempDir(), "data"))
	options.Identity = p.options
	s := start(t, options)
	client := newHTTPClient(t)
	s.create(t, "orders")
	s.create(t, "payments")
	writer := s.open(t, "/", p.sign(t, "orders", nil))
	wantStatus(t, "write", writer.write(t, "\x01", "value"), http.StatusOK)
	reader := s.open(t, "/databases/orders/connect", p.sign(t, "orders", jwt.MapClaims{"rights": "openid read"}))
	wantStatus(t, "read", reader.read(t), http.StatusOK)
	wantStatus(t, "write of a reader", reader.write(t, "\x01", "value"), http.StatusForbidden)
	for name, c := range map[string]struct {
		path, token string
		want        int
	}{
		"another database":  {"/databases/payments/connect", p.sign(t, "orders", nil), http.StatusNotFound},
		"no such database":  {"/", p.sign(t, "nothing", nil), http.StatusNotFound},
		"expired":           {"/", p.sign(t, "orders", jwt.MapClaims{"exp": time.Now().Add(-time.Hour).Unix()}), http.StatusUnauthorized},
		"another audience":  {"/", p.sign(t, "orders", jwt.MapClaims{"aud": "another"}), http.StatusUnauthorized},
		"another issuer":    {"/", p.sign(t, "orders", jwt.MapClaims{"iss": "another"}), http.StatusUnauthorized},
		"no scope":          {"/", p.sign(t, "orders", jwt.MapClaims{"rights": "openid"}), http.StatusUnauthorized},
		"another signature": {"/", newProvider(t).sign(t, "orders", nil), http.StatusUnauthorized},
	} {
		wantStatus(t, name, s.exchange(t, client, c.path, c.token), c.want)
	}
	if _, err := s.operator(t).DeleteDatabase(t.Context(), "orders"); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, "read of a deleted database", reader.read(t), http.StatusUnauthorized)
}

func TestIdentityOfOneDatabase(t *testing.T) {
	t.Parallel()
	const chosen = "the-token-that-was-chosen"
	p := newProvider(t)
	options := fileOptions(filepath.Join(t.TempDir(), "one.sqlite"))
	options.Identity, options.AccessToken = p.options, chosen
	s := start(t, options)
	id := s.open(t, "/", chosen).metadata.DatabaseID
	d := s.open(t, "/", p.sign(t, id, nil))
	wantStatus(t, "write", d.write(t, "\x01", "value"), http.StatusOK)
	wantStatus(t, "another database", s.exchange(t, newHTTPClient(t), "/", p.sign(t, "orders", nil)), http.StatusNotFound)
}

// A server that does not start leaves nothing open: what was wrong is put right, and it does.
func TestStartFails(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data")
	for name, c := range map[string]struct {
		change func(*service.Options)
		want   string
	}{
		"weak access token": {func(o *service.Options) { o.AccessToken = "short" }, "at least 12"},
		"weak admin token":  {func(o *service.Options) { o.AdminToken = "short" }, "admin token: unusable"},
		"unreachable keys": {func(o *service.Options) {
			o.Identity = service.IdentityOptions{JWKS: path + "-nothing", Issuer: "i", Audience: "a"}
		}, "nothing"},
		"no issuer":          {func(o *service.Options) { o.Identity.JWKS = path }, "issuer"},
		"unknown transport":  {func(o *service.Options) { o.Transport = "pigeon" }, "transport"},
		"unusable address":   {func(o *service.Options) { o.Addr = "nowhere" }, "--addr"},
		"unusable admin":     {func(o *service.Options) { o.AdminAddr = "nowhere" }, "--admin-addr"},
		"no such durability": {func(o *service.Options) { o.DataDir, o.SQLitePath, o.Durability = "", path+".sqlite", "some" }, "durability"},
	} {
		options := discarding(folderOptions(path))
		c.change(&options)
		if err := service.Run(t.Context(), options); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	s := start(t, folderOptions(path))
	s.create(t, "orders")
	if err := service.Run(t.Context(), discarding(folderOptions(path))); !errors.Is(err, control.ErrInUse) {
		t.Errorf("%v, want ErrInUse", err)
	}
	s.create(t, "payments") // it is still reached
}

// The folder that a server leaves is the one that the next finds, and that operators work on
// without a server.
func TestRestart(t *testing.T) {
	t.Parallel()
	options := folderOptions(filepath.Join(t.TempDir(), "data"))
	s := start(t, options)
	s.create(t, "orders")
	token := s.createToken(t, "orders", "write")
	d := s.open(t, "/", token.AccessToken)
	wantStatus(t, "write", d.write(t, "\x01", "value"), http.StatusOK)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	dir, err := datadir.Open(t.Context(), datadir.Options{Path: options.DataDir})
	if err != nil {
		t.Fatal(err)
	}
	operator := admin.NewLocal(dir, nil)
	stats, err := operator.DatabaseStats(t.Context(), "orders")
	if err != nil || stats.Keys != 1 {
		t.Errorf("%+v, %v", stats, err)
	}
	if tokens, err := operator.Tokens(t.Context(), ""); err != nil || len(tokens) != 1 || tokens[0].LastUsedAt == nil {
		t.Errorf("%+v, %v", tokens, err)
	}
	if err := dir.Close(); err != nil {
		t.Fatal(err)
	}
	s = start(t, options)
	d.metadata.Endpoints = s.open(t, "/", token.AccessToken).metadata.Endpoints
	if r := d.read(t); r.status != http.StatusOK || !strings.Contains(r.body, "value") {
		t.Errorf("with the data path token from before: status %d: %s", r.status, r.body)
	}
	if !strings.Contains(s.text, "databases     1\n") {
		t.Errorf("greeting %s", s.text)
	}
}
