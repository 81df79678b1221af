package transport_test

import (
	"crypto/tls"
	"errors"
	"io"
	"strings"
	"testing"

	"golang.org/x/net/http2"
)

// Who forgets TLS is told so, in the protocol that anybody can read.
func TestPlainWhereTLSIsSpoken(t *testing.T) {
	t.Parallel()
	server := start(t, func(s *setup) { s.tls, _ = selfSigned(t) })
	for name, c := range map[string]struct{ sent, want string }{
		"HTTP/1.1":    {"POST / HTTP/1.1\r\nHost: kv.test\r\n\r\n", "use an https URL"},
		"HTTP/2":      {http2.ClientPreface, "use an https URL"},
		"no protocol": {"hello, is anybody there?\r\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := dialTCP(t, server.address)
			if _, err := io.WriteString(conn, c.sent); err != nil {
				t.Fatal(err)
			}
			reply, err := io.ReadAll(conn)
			if err != nil && !isClosed(err) || !strings.HasSuffix(strings.TrimSpace(string(reply)), c.want) || (c.want == "") != (len(reply) == 0) {
				t.Errorf("%q, %v, want %q", reply, err, c.want)
			}
		})
	}
}

// A client that agrees on a protocol which is none of HTTP, as a certificate authority does to
// see a certificate, gets its handshake and no more.
func TestHandshakeAlone(t *testing.T) {
	t.Parallel()
	const protocol = "acme-tls/1"
	var trust *tls.Config
	server := start(t, func(s *setup) {
		s.tls, trust = selfSigned(t)
		s.tls.NextProtos = append(s.tls.NextProtos, protocol)
	})
	trust.NextProtos = []string{protocol}
	conn := tls.Client(dialTCP(t, server.address), trust)
	if err := conn.HandshakeContext(t.Context()); err != nil || conn.ConnectionState().NegotiatedProtocol != protocol {
		t.Fatalf("it agrees on %q, %v", conn.ConnectionState().NegotiatedProtocol, err)
	}
	if n, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("%d bytes, %v, want the end", n, err)
	}
}

// What a client has agreed on it must speak: its requests would be taken for plain ones otherwise.
func TestAnotherProtocolThanAgreed(t *testing.T) {
	t.Parallel()
	var trust *tls.Config
	server := start(t, func(s *setup) { s.tls, trust = selfSigned(t) })
	trust.NextProtos = []string{"h2"}
	conn := tls.Client(dialTCP(t, server.address), trust)
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: kv.test\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Errorf("%d bytes, %v, want the end", n, err)
	}
}
