package transport_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	mathbig "math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// HTTP/1.1 on the same port is for net/http, whatever its first bytes are.
func TestHTTP1(t *testing.T) {
	t.Parallel()
	server := start(t)
	tests := map[string]struct {
		request string
		status  int
		body    string
	}{
		"GET":                      {"GET /a HTTP/1.1\r\nHost: kv.test\r\n\r\n", 200, ""},
		"POST":                     {"POST /a HTTP/1.1\r\nHost: kv.test\r\nContent-Length: 4\r\n\r\nbody", 200, "body"},
		"PUT":                      {"PUT /a HTTP/1.1\r\nHost: kv.test\r\nContent-Length: 4\r\n\r\nbody", 200, "body"},
		"a path of the data path":  {"POST /v2/echo HTTP/1.1\r\nHost: kv.test\r\nContent-Length: 4\r\n\r\nbody", 200, "body"},
		"chunks":                   {"POST / HTTP/1.1\r\nHost: kv.test\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", 200, "body"},
		"HTTP/1.0":                 {"POST / HTTP/1.0\r\nContent-Length: 4\r\n\r\nbody", 200, "body"},
		"an upgrade":               {"GET / HTTP/1.1\r\nHost: kv.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", 200, ""},
		"a method PRI":             {"PRI / HTTP/1.1\r\nHost: kv.test\r\n\r\n", 200, ""},
		"PRISM":                    {"PRISM / HTTP/1.1\r\nHost: kv.test\r\n\r\n", 200, ""},
		"nearly a preface":         {"PRI * HTTP/2.0\r\n\r\nSM\r\n\rx", 400, ""},
		"a preface of HTTP/3":      {"PRI * HTTP/3.0\r\n\r\nSM\r\n\r\n", 505, ""},
		"garbage":                  {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", 400, ""},
		"garbage that begins so":   {"PR\x00\x00\r\n\r\n", 400, ""},
		"an empty line before it":  {"\r\nGET / HTTP/1.1\r\nHost: kv.test\r\n\r\n", 400, ""},
		"a header that is too big": {"GET / HTTP/1.1\r\nHost: kv.test\r\nX: " + strings.Repeat("x", 2*maxHeaderBytes) + "\r\n\r\n", 431, ""},
	}
	for name, test := range tests {
		for _, inBytes := range []bool{false, true} {
			if inBytes && len(test.request) > 1000 {
				continue
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				conn := dialTCP(t, server.address)
				pieces := [][]byte{[]byte(test.request)}
				if inBytes {
					pieces = bytes.SplitAfter(pieces[0], nil)
				}
				for _, piece := range pieces {
					if _, err := conn.Write(piece); err != nil {
						break // it knows enough
					}
				}
				response, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = response.Body.Close() }()
				body, err := io.ReadAll(response.Body)
				if response.StatusCode != test.status || err != nil && test.status == http.StatusOK {
					t.Fatalf("status %d: %q, %v; want %d", response.StatusCode, body, err, test.status)
				}
				if test.status == http.StatusOK && string(body) != test.body {
					t.Errorf("%q, want %q", body, test.body)
				}
			})
		}
	}
}

// Requests of HTTP/1.1 follow each other on a connection, even before their replies.
func TestHTTP1KeepAlive(t *testing.T) {
	t.Parallel()
	conn := dialTCP(t, start(t).address)
	const requests = 10
	for range requests {
		if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: kv.test\r\nContent-Length: 4\r\n\r\nbody"); err != nil {
			t.Fatal(err)
		}
	}
	reader := bufio.NewReader(conn)
	for range requests {
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || string(body) != "body" {
			t.Fatalf("%q, %v", body, err)
		}
	}
}

// selfSigned gives the configurations of a server and of a client that trusts it.
func selfSigned(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: mathbig.NewInt(1), DNSNames: []string{"kv.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(certificate)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		NextProtos:   []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12,
	}, &tls.Config{RootCAs: trusted, ServerName: "kv.test", MinVersion: tls.VersionTLS12}
}

// httpClient gives a client of net/http for one protocol, and the URL to begin with.
func httpClient(t *testing.T, server *running, trust *tls.Config, isHTTP2 bool) (client *http.Client, base string) {
	t.Helper()
	var protocols http.Protocols
	switch {
	case !isHTTP2:
		protocols.SetHTTP1(true)
	case trust == nil:
		protocols.SetUnencryptedHTTP2(true)
	default:
		protocols.SetHTTP2(true)
	}
	dialer := &net.Dialer{}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, "tcp", server.address)
	}
	roundTripper := &http.Transport{
		Protocols: &protocols, TLSClientConfig: trust.Clone(), DialContext: dial, ExpectContinueTimeout: patience,
	}
	t.Cleanup(roundTripper.CloseIdleConnections)
	base = "http://kv.test"
	if trust != nil {
		base = "https://kv.test"
	}
	return &http.Client{Transport: roundTripper, Timeout: 2 * patience}, base
}

// Go's own client gets along with the server, over both protocols, with and without TLS.
func TestGoClient(t *testing.T) {
	t.Parallel()
	for _, encrypted := range []string{"plain", "TLS"} {
		for _, version := range []string{"HTTP/1.1", "HTTP/2.0"} {
			t.Run(encrypted+" "+version, func(t *testing.T) {
				t.Parallel()
				isHTTP2 := version == "HTTP/2.0"
				var trust *tls.Config
				server := start(t, func(s *setup) {
					if encrypted == "TLS" {
						s.tls, trust = selfSigned(t)
					}
				})
				client, base := httpClient(t, server, trust, isHTTP2)
				var callers sync.WaitGroup
				for _, size := range []int{0, 1, 1000, 1 << 20} {
					for _, path := range []string{"/v2/echo", "/v2/patient", "/"} {
						callers.Go(func() { wantEcho(t, client, base+path, version, size) })
					}
				}
				callers.Wait()
				if isHTTP2 {
					wantFeed(t, client, base, server)
				}
			})
		}
	}
}

func wantEcho(t *testing.T, client *http.Client, url, version string, size int) {
	body := bytes.Repeat([]byte{'b'}, size)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Error(err)
		return
	}
	request.Header.Set("Expect", "100-continue")
	response, err := client.Do(request)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = response.Body.Close() }()
	got, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK || !bytes.Equal(got, body) || response.Proto != version {
		t.Errorf("%s: %d bytes: %s %s: %d bytes, %v", url, size, response.Proto, response.Status, len(got), err)
	}
	if came := response.Header.Get("X-Came"); came != "" {
		isTLS := strings.HasPrefix(url, "https:")
		if !strings.Contains(came, version) || strings.HasSuffix(came, "true") != isTLS {
			t.Errorf("%s: the request came as %s", url, came)
		}
	}
}

// wantFeed reads a feed and gives it up.
func wantFeed(t *testing.T, client *http.Client, base string, server *running) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/v2/feed", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	feed := receive(t, "a feed", server.calls.feeds)
	feed.push("news")
	got := make([]byte, len(firstPiece)+len("news"))
	if _, err := io.ReadFull(response.Body, got); err != nil || string(got) != firstPiece+"news" {
		t.Errorf("%q, %v", got, err)
	}
	cancel()
	receive(t, "Close", feed.closed)
}

// A client that does not agree on a protocol gets HTTP/1.1, and one that takes its time
// over the handshake holds up no one else and not for ever.
func TestTLSHandshake(t *testing.T) {
	t.Parallel()
	var trust *tls.Config
	server := start(t, func(s *setup) {
		s.tls, trust = selfSigned(t)
		s.http.ReadHeaderTimeout = long
	})
	silent := dialTCP(t, server.address)
	plain := dialTCP(t, server.address)
	if _, err := io.WriteString(plain, "GET / HTTP/1.1\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	conn := tls.Client(dialTCP(t, server.address), trust) // no ALPN
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: kv.test\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if reply, err := io.ReadAll(conn); err != nil || !bytes.HasPrefix(reply, []byte("HTTP/1.1 200")) {
		t.Errorf("%q, %v", reply, err)
	}
	for _, conn := range []net.Conn{silent, plain} {
		if _, err := io.Copy(io.Discard, conn); err != nil && !isClosed(err) {
			t.Errorf("the connection is not closed: %v", err)
		}
	}
}

// Frames over TLS are the same ones.
func TestRawOverTLS(t *testing.T) {
	t.Parallel()
	var trust *tls.Config
	server := start(t, func(s *setup) { s.tls, trust = selfSigned(t) })
	trust.NextProtos = []string{"h2"}
	conn := tls.Client(dialTCP(t, server.address), trust)
	c := newClient(t, conn)
	c.check(io.WriteString(conn, http2.ClientPreface))
	c.configure()
	for range 10 {
		c.wantAlive()
	}
	stream := c.open(post("/v2/patient")...)
	body := bytes.Repeat([]byte{'b'}, 1<<20)
	c.upload(stream, body)
	c.wantReply(stream, "200", string(body))
	r, feed := c.openFeed(server)
	feed.push("news")
	c.until("news", func() bool { return string(r.body) == firstPiece+"news" })
	c.must(c.WriteWindowUpdate(0, 0))
	c.until("GOAWAY", func() bool { return len(c.goAways) > 0 })
	receive(t, "Close", feed.closed)
}
