package service_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/datadir"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/service"
)

// selfSigned gives a file with a certificate for a name and its key, and who trusts it.
func selfSigned(t *testing.T, name string) (path string, trust *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{name},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "both.pem")
	data := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})...)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return path, &tls.Config{RootCAs: roots, ServerName: name, MinVersion: tls.VersionTLS12}
}

// Clients are served over TLS, and told of it, while operators are not.
func TestTLS(t *testing.T) {
	t.Parallel()
	for _, over := range []service.Transport{service.TransportLoop, service.TransportStd} {
		t.Run(string(over), func(t *testing.T) {
			t.Parallel()
			path, trust := selfSigned(t, "kv.example.com")
			options := folderOptions(filepath.Join(t.TempDir(), "data"))
			options.Transport = over
			options.TLS.CertificatePath, options.TLS.KeyPath = path, path
			s := start(t, options)
			s.create(t, "orders") // over the admin listener
			way, err := datadir.ReadAdminAccess(s.path)
			if err != nil || !strings.HasPrefix(way.URL, "http://") {
				t.Errorf("operators are sent to %s, %v", way.URL, err)
			}
			target := wantURL(t, s.text, "https://kv.example.com:")
			client := &http.Client{Transport: &http.Transport{TLSClientConfig: trust}}
			t.Cleanup(client.CloseIdleConnections)
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.Replace(target, "kv.example.com", "127.0.0.1", 1)+"/healthz", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			response, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusOK {
				t.Errorf("status %d, %v", response.StatusCode, err)
			}
		})
	}
}

// wantURL gives the URL of a greeting, which must begin so.
func wantURL(t *testing.T, greeting, prefix string) string {
	t.Helper()
	_, rest, found := strings.Cut(greeting, "listening on ")
	shown, _, _ := strings.Cut(rest, "\n")
	if !found || !strings.HasPrefix(shown, prefix) {
		t.Fatalf("the greeting has the URL %q, want %s", shown, prefix)
	}
	return shown
}

// The public URL counts for more than the certificate.
func TestPublicURLOverTLS(t *testing.T) {
	t.Parallel()
	path, _ := selfSigned(t, "kv.example.com")
	options := fileOptions(filepath.Join(t.TempDir(), "one.sqlite"))
	options.TLS.CertificatePath, options.TLS.KeyPath = path, path
	options.PublicURL = &url.URL{Scheme: "https", Host: "elsewhere.example.com"}
	wantURL(t, start(t, options).text, "https://elsewhere.example.com")
}

// A handshake that fails leaves no trace in a log that is not for finding faults.
func TestFailedHandshakesAreNotLogged(t *testing.T) {
	t.Parallel()
	for _, over := range []service.Transport{service.TransportLoop, service.TransportStd} {
		t.Run(string(over), func(t *testing.T) {
			t.Parallel()
			path, trust := selfSigned(t, "localhost")
			options := fileOptions(filepath.Join(t.TempDir(), "one.sqlite"))
			options.Transport = over
			options.TLS.CertificatePath, options.TLS.KeyPath = path, path
			s := start(t, options)
			_, port, err := net.SplitHostPort(strings.TrimPrefix(wantURL(t, s.text, "https://localhost:"), "https://"))
			if err != nil {
				t.Fatal(err)
			}
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", net.JoinHostPort("127.0.0.1", port))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			reply, err := io.ReadAll(conn)
			if err != nil || !strings.Contains(string(reply), " 400 Bad Request") {
				t.Errorf("it answered %q, %v", reply, err)
			}
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
			trust.NextProtos = []string{"h2"}
			astray, err := (&tls.Dialer{Config: trust}).DialContext(t.Context(), "tcp", net.JoinHostPort("127.0.0.1", port))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(astray, strings.Repeat("no preface", 10)); err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, astray) // until the server is done with it, in whatever way
			if err := astray.Close(); err != nil {
				t.Fatal(err)
			}
			if err := s.stop(); err != nil {
				t.Fatal(err)
			}
			if log := s.log.String(); strings.Contains(log, "handshake") || strings.Contains(log, "level=WARN") {
				t.Errorf("it logged %s", log)
			}
		})
	}
}
