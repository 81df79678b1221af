package auth_test

import (
	"context"
	"crypto/elliptic"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/protocol"
)

// serve gives the URL of a server on this machine.
func serve(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestKeysOverHTTP(t *testing.T) {
	t.Parallel()
	before, after, unknown := rs256("before"), es256(t, "after"), eddsa(t, "unknown")
	published := newPublisher(keySetOf(t, before))
	url := serve(t, published)
	provider := openProvider(t, func(options *auth.ProviderOptions) {
		options.JWKS = url
		options.RefreshInterval = time.Hour
	})
	verifies(t, provider, before.token(t, time.Now()), nil)

	published.publish(keySetOf(t, after))
	var flood sync.WaitGroup
	for i := range 1000 {
		flood.Go(func() {
			stranger := unknown
			stranger.id = strconv.Itoa(i)
			verifies(t, provider, stranger.token(t, time.Now()), protocol.ErrInvalidAccessToken)
		})
	}
	flood.Wait()
	verifies(t, provider, after.token(t, time.Now()), nil)
	verifies(t, provider, before.token(t, time.Now()), protocol.ErrInvalidAccessToken)
	if asked := published.asked(); asked != 2 {
		t.Errorf("asked %d times, want 2", asked)
	}
}

func TestKeysOverHTTPWithoutAServer(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	logger, log := logOf()
	provider := openProvider(t, func(options *auth.ProviderOptions) {
		options.JWKS = strings.Replace(server.URL, "http://", "http://secret:secret@", 1) + "/keys?token=secret"
		options.Logger = logger
	})
	if text := log.String(); !strings.Contains(text, "/keys") || !strings.Contains(text, "refused") || strings.Contains(text, "secret") {
		t.Errorf("the log of a server that is not there: %s", text)
	}
	verifies(t, provider, eddsa(t, "a").token(t, time.Now()), protocol.ErrUnavailable)
}

func TestKeysOverWhatIsNotHTTP(t *testing.T) {
	t.Parallel()
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		connection, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = connection.Write([]byte("secret: 1\r\n\r\n"))
		_ = connection.Close()
	}))
	logger, log := logOf()
	openProvider(t, func(options *auth.ProviderOptions) {
		options.JWKS = url
		options.Logger = logger
	})
	if text := log.String(); !strings.Contains(text, "level=WARN") || strings.Contains(text, "secret") {
		t.Errorf("the log of a reply that is not HTTP: %s", text)
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	key := eddsa(t, "a")
	published := newPublisher(keySetOf(t, key))
	plain := httptest.NewServer(published)
	t.Cleanup(plain.Close)
	mux := http.NewServeMux()
	mux.Handle("/keys", published)
	mux.Handle("/1", http.RedirectHandler("/keys", http.StatusFound))
	mux.Handle("/2", http.RedirectHandler("/1", http.StatusFound))
	mux.Handle("/3", http.RedirectHandler("/2", http.StatusFound))
	mux.Handle("/4", http.RedirectHandler("/3", http.StatusFound))
	mux.Handle("/plain", http.RedirectHandler(plain.URL, http.StatusFound))
	protected := httptest.NewTLSServer(mux)
	t.Cleanup(protected.Close)
	for path, want := range map[string]string{
		"/keys":  "",
		"/3":     "",
		"/4":     "redirects too often",
		"/plain": "redirects from https to http",
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			logger, log := logOf()
			provider := openProvider(t, func(options *auth.ProviderOptions) {
				options.JWKS = protected.URL + path
				options.Transport = protected.Client().Transport
				options.Logger = logger
			})
			_, err := provider.Verify(t.Context(), key.token(t, time.Now()))
			if (err == nil) != (want == "") || !strings.Contains(log.String(), want) {
				t.Errorf("%v, and the log, which should contain %q, is %q", err, want, log)
			}
		})
	}
}

func TestCertificateThatIsNotTrusted(t *testing.T) {
	t.Parallel()
	key := eddsa(t, "a")
	server := httptest.NewUnstartedServer(newPublisher(keySetOf(t, key)))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	logger, log := logOf()
	provider := openProvider(t, func(options *auth.ProviderOptions) {
		options.JWKS = server.URL
		options.Logger = logger
	})
	verifies(t, provider, key.token(t, time.Now()), protocol.ErrUnavailable)
	if !strings.Contains(log.String(), "certificate") {
		t.Errorf("the log does not say that it is the certificate: %s", log)
	}
}

func TestKeysWithoutTLS(t *testing.T) {
	t.Parallel()
	published := newPublisher(keySetOf(t, eddsa(t, "a")))
	for url, warned := range map[string]bool{
		"http://login.example.com/keys":  true,
		"HTTPS://login.example.com/keys": false,
		"http://localhost:8080/keys":     false,
		"http://127.0.0.1:8080/keys":     false,
		"http://[::1]:8080/keys":         false,
	} {
		logger, log := logOf()
		published.open(t, func(options *auth.ProviderOptions) { options.JWKS, options.Logger = url, logger })
		if strings.Contains(log.String(), "without tls") != warned {
			t.Errorf("the log for %s: %q, want a warning %v", url, log, warned)
		}
	}
}

func TestKeysFromFile(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(folder, "jwks.json")
		before, after, last := eddsa(t, "before"), eddsa(t, "after"), eddsa(t, "last")
		writeFile(t, path, keySetOf(t, before))
		logger, log := logOf()
		provider := openProvider(t, func(options *auth.ProviderOptions) { options.JWKS, options.Logger = path, logger })
		verifies(t, provider, before.token(t, time.Now()), nil)

		writeFile(t, path, keySetOf(t, after))
		verifies(t, provider, after.token(t, time.Now()), nil)
		verifies(t, provider, before.token(t, time.Now()), protocol.ErrInvalidAccessToken)

		for _, broken := range []func() error{
			func() error { return os.WriteFile(path, []byte("{"), 0o600) },
			func() error { return os.Remove(path) },
			func() error { return os.Mkdir(path, 0o700) },
		} {
			if err := broken(); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Hour)
			verifies(t, provider, after.token(t, time.Now()), nil)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		writeFile(t, path, keySetOf(t, last))
		<-time.After(time.Minute + time.Second)
		verifies(t, provider, after.token(t, time.Now()), protocol.ErrInvalidAccessToken)
		verifies(t, provider, last.token(t, time.Now()), nil)
		synctest.Wait()
		if lines := strings.Count(log.String(), "\n"); lines != 2 {
			t.Errorf("the log of one outage has %d lines:\n%s", lines, log)
		}
	})
}

func TestOpenProviderFails(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	file := func(name string, data []byte) string {
		path := filepath.Join(folder, name)
		writeFile(t, path, data)
		return path
	}
	valid := file("valid", keySetOf(t, eddsa(t, "a")))
	symmetric := file("symmetric", []byte(`{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}`))
	// rsaFile has a key whose modulus is odd, as it must be, and has that many bits.
	rsaFile := func(name string, bits int) string {
		modulus := make([]byte, bits/8)
		modulus[0], modulus[len(modulus)-1] = 0x80, 1
		return file(name, []byte(`{"keys":[{"kty":"RSA","e":"AQAB","n":"`+base64url(modulus)+`"}]}`))
	}
	for name, c := range map[string]struct {
		options auth.ProviderOptions
		want    error
		text    string
	}{
		"no issuer":        {auth.ProviderOptions{JWKS: valid, Audience: "a"}, auth.ErrProviderOptions, "issuer"},
		"no audience":      {auth.ProviderOptions{JWKS: valid, Issuer: "a"}, auth.ErrProviderOptions, "audience"},
		"our own issuer":   {auth.ProviderOptions{JWKS: valid, Issuer: "kvconnect", Audience: "a"}, auth.ErrProviderOptions, "data path tokens"},
		"no keys":          {auth.ProviderOptions{Issuer: "a", Audience: "a"}, auth.ErrProviderOptions, "JWK Set"},
		"URL of a file":    {auth.ProviderOptions{JWKS: "file://" + valid, Issuer: "a", Audience: "a"}, auth.ErrProviderOptions, "path of a file"},
		"URL of no host":   {auth.ProviderOptions{JWKS: "https:///keys", Issuer: "a", Audience: "a"}, auth.ErrProviderOptions, "malformed"},
		"URL that is none": {auth.ProviderOptions{JWKS: "https://%zz/keys", Issuer: "a", Audience: "a"}, auth.ErrProviderOptions, "malformed"},
		"no file":          {auth.ProviderOptions{JWKS: filepath.Join(folder, "x"), Issuer: "a", Audience: "a"}, fs.ErrNotExist, "save its JWK Set there"},
		"folder":           {auth.ProviderOptions{JWKS: folder, Issuer: "a", Audience: "a"}, auth.ErrKeySet, "not a file"},
		"empty file":       {auth.ProviderOptions{JWKS: file("empty", nil), Issuer: "a", Audience: "a"}, auth.ErrKeySet, "save its JWK Set there"},
		"file of a key":    {auth.ProviderOptions{JWKS: file("pem", []byte("-----BEGIN PUBLIC KEY-----")), Issuer: "a", Audience: "a"}, auth.ErrKeySet, "not a JSON object"},
		"oversized file":   {auth.ProviderOptions{JWKS: file("large", make([]byte, 1<<20+1)), Issuer: "a", Audience: "a"}, auth.ErrKeySet, "larger than 1048576 bytes"},
		"short RSA key":    {auth.ProviderOptions{JWKS: rsaFile("short", 2040), Issuer: "a", Audience: "a"}, auth.ErrKeySet, "none is for signatures"},
		"long RSA key":     {auth.ProviderOptions{JWKS: rsaFile("long", 8200), Issuer: "a", Audience: "a"}, auth.ErrKeySet, "none is for signatures"},
		"another curve":    {auth.ProviderOptions{JWKS: file("p384", keySetOf(t, ecSigner(t, "", jwt.SigningMethodES384, elliptic.P384()).with("alg", nil))), Issuer: "a", Audience: "a"}, auth.ErrKeySet, "none is for signatures"},
		"symmetric key":    {auth.ProviderOptions{JWKS: symmetric, Issuer: "a", Audience: "a"}, auth.ErrKeySet, "of the 1 keys in it none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := auth.OpenProvider(context.Background(), c.options)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v, want %v and %q", err, c.want, c.text)
			}
		})
	}
}
