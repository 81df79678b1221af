package certificate_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/certificate"
)

// nowhere is the directory of an authority that nobody can reach.
const nowhere = "https://127.0.0.1:1/directory"

func openACME(t *testing.T, options certificate.ACMEOptions) *certificate.ACME {
	t.Helper()
	a, err := certificate.OpenACME(options)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// cache writes a certificate as an earlier start has left it.
func cache(t *testing.T, folder, name string, i issued) {
	t.Helper()
	block, _ := pem.Decode(i.key)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, name), append(inPEM("PRIVATE KEY", der), i.certificate...))
}

// What an earlier start has obtained is shown at once, by the name that a client asks for; a
// name that is none of the domains is refused, and one without a certificate yet too.
func TestACMEShows(t *testing.T) {
	t.Parallel()
	folder, log := t.TempDir(), new(logged)
	first, second := issue(t, 80*day, "a.example.com"), issue(t, 20*day, "b.example.com")
	cache(t, folder, "a.example.com", first)
	cache(t, folder, "b.example.com", second)
	cache(t, folder, "expired.example.com", issue(t, -day, "expired.example.com"))
	cache(t, folder, "other.example.com", issue(t, 80*day, "another.example.com"))
	a := openACME(t, certificate.ACMEOptions{
		Domains:   []string{"a.example.com", "b.example.com", "expired.example.com", "other.example.com", "none.example.com"},
		CachePath: folder, DirectoryURL: nowhere, Logger: log.logger(),
	})
	log.wantLines(t, "at the start", "names=[a.example.com]", "names=[b.example.com]")
	if notAfter, known := a.NotAfter(); !known || !notAfter.Equal(second.parsed.NotAfter) {
		t.Errorf("the first expires at %v, want %v", notAfter, second.parsed.NotAfter)
	}
	if host := a.Host("localhost"); host != "a.example.com" {
		t.Errorf("the host is %s", host)
	}
	for name, c := range map[string]struct {
		client *tls.Config
		want   *x509.Certificate // nil for a refusal
		text   string
	}{
		"a domain":            {&tls.Config{ServerName: "a.example.com"}, first.parsed, ""},
		"another":             {&tls.Config{ServerName: "b.example.com"}, second.parsed, ""},
		"large letters":       {&tls.Config{ServerName: "A.Example.COM"}, first.parsed, ""},
		"HTTP/2":              {&tls.Config{ServerName: "a.example.com", NextProtos: []string{"h2"}}, first.parsed, ""},
		"an unknown name":     {&tls.Config{ServerName: "c.example.com"}, nil, "unrecognized name"},
		"no name":             {&tls.Config{}, nil, "unrecognized name"},
		"an expired one":      {&tls.Config{ServerName: "expired.example.com"}, nil, "not there yet"},
		"one of another name": {&tls.Config{ServerName: "other.example.com"}, nil, "not there yet"},
		"none yet":            {&tls.Config{ServerName: "none.example.com"}, nil, "none.example.com: the certificate of the domain is not there yet"},
		"no such challenge":   {&tls.Config{ServerName: "a.example.com", NextProtos: []string{"acme-tls/1"}}, nil, "no token"},
		"challenge elsewhere": {&tls.Config{ServerName: "c.example.com", NextProtos: []string{"acme-tls/1"}}, nil, "unrecognized name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := shown(t, a.TLSConfig(), c.client)
			switch {
			case c.want == nil && (err == nil || !strings.Contains(err.Error(), c.text)):
				t.Errorf("the handshake gives %v, want %q", err, c.text)
			case c.want != nil && (err != nil || !got.Equal(c.want)):
				t.Errorf("another certificate, %v", err)
			}
		})
	}
}

// An authority that cannot be reached is asked again, less and less often, and the log says so
// each time. What is shown meanwhile goes on.
func TestACMEFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		folder, log := t.TempDir(), new(logged)
		good := issue(t, 80*day, "good.example.com")
		cache(t, folder, "good.example.com", good)
		a := openACME(t, certificate.ACMEOptions{
			Domains: []string{"kv.example.com", "good.example.com"}, CachePath: folder, DirectoryURL: nowhere, Logger: log.logger(),
		})
		ctx, cancel := context.WithCancel(t.Context())
		kept := make(chan struct{})
		go func() {
			defer close(kept)
			a.Keep(ctx)
		}()
		<-time.After(61 * time.Minute)
		text := log.take()
		if n := strings.Count(text, `msg="tls certificate not obtained" domain=kv.example.com`); n != 5 {
			t.Errorf("it failed %d times in an hour, want 5: %s", n, text)
		}
		if n := strings.Count(text, "tls certificate loaded"); n != 1 {
			t.Errorf("a certificate was loaded %d times, want 1: %s", n, text)
		}
		if got, err := shown(t, a.TLSConfig(), &tls.Config{ServerName: "good.example.com"}); err != nil || !got.Equal(good.parsed) {
			t.Errorf("another certificate, %v", err)
		}
		cancel()
		<-kept
	})
}

// An authority that does not answer does not keep the server from ending.
func TestACMEEnds(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 1)
	silence, speak := context.WithCancel(t.Context())
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-silence.Done()
	}))
	t.Cleanup(server.Close)
	t.Cleanup(speak)
	trusted := filepath.Join(t.TempDir(), "authority.pem")
	write(t, trusted, inPEM("CERTIFICATE", server.Certificate().Raw))
	a := openACME(t, certificate.ACMEOptions{
		Domains: []string{"kv.example.com"}, CachePath: t.TempDir(), DirectoryURL: server.URL, AuthorityPath: trusted,
		Logger: new(logged).logger(),
	})
	ctx, cancel := context.WithCancel(t.Context())
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		a.Keep(ctx)
	}()
	<-asked
	cancel()
	<-kept
	if _, known := a.NotAfter(); known {
		t.Error("there is a certificate")
	}
}

func TestOpenACMEFails(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, []byte("no certificate"))
	for name, c := range map[string]struct {
		options certificate.ACMEOptions
		text    string
	}{
		"the folder is a file": {certificate.ACMEOptions{CachePath: file}, "--acme-cache"},
		"no authority file":    {certificate.ACMEOptions{CachePath: t.TempDir(), AuthorityPath: file + "2"}, "read the certificate of the authority"},
		"no certificate in it": {certificate.ACMEOptions{CachePath: t.TempDir(), AuthorityPath: file}, "there is no certificate in the file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.options.Domains, c.options.DirectoryURL, c.options.Logger = []string{"kv.example.com"}, nowhere, new(logged).logger()
			if _, err := certificate.OpenACME(c.options); err == nil || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v, want %q", err, c.text)
			}
		})
	}
}

// The folder is for its owner alone.
func TestACMECacheIsPrivate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data", "acme")
	openACME(t, certificate.ACMEOptions{
		Domains: []string{"kv.example.com"}, CachePath: path, DirectoryURL: nowhere, Logger: new(logged).logger(),
	})
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	if entries, err := os.ReadDir(path); err != nil || len(entries) != 0 {
		t.Errorf("there is something in it: %v, %v", entries, err)
	}
}

// Over plain HTTP there are answers to challenges, and nothing else.
func TestChallengeHandler(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	handler := openACME(t, certificate.ACMEOptions{
		Domains: []string{"kv.example.com"}, CachePath: folder, DirectoryURL: nowhere, Logger: new(logged).logger(),
	}).ChallengeHandler()
	write(t, filepath.Join(folder, "token+http-01"), []byte("proof"))
	for name, c := range map[string]struct {
		method, target string
		status         int
		text           string
	}{
		"challenge":            {http.MethodGet, "http://kv.example.com/.well-known/acme-challenge/token", http.StatusOK, "proof"},
		"with a port":          {http.MethodGet, "http://" + net.JoinHostPort("kv.example.com", "8080") + "/.well-known/acme-challenge/token", http.StatusOK, "proof"},
		"of another name":      {http.MethodGet, "http://other.example.com/.well-known/acme-challenge/token", http.StatusForbidden, "none of the domains"},
		"no such challenge":    {http.MethodGet, "http://kv.example.com/.well-known/acme-challenge/other", http.StatusNotFound, ""},
		"a program":            {http.MethodPost, "http://kv.example.com/", http.StatusBadRequest, "https URL"},
		"a person":             {http.MethodGet, "http://kv.example.com/", http.StatusBadRequest, "https URL"},
		"the account's secret": {http.MethodGet, "http://kv.example.com/.well-known/acme-challenge/../../acme_account+key", http.StatusNotFound, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), c.method, c.target, http.NoBody))
			if recorder.Code != c.status || !strings.Contains(recorder.Body.String(), c.text) || recorder.Header().Get("Location") != "" {
				t.Errorf("%d %q, want %d with %q", recorder.Code, recorder.Body, c.status, c.text)
			}
		})
	}
}
