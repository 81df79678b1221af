package certificate_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const day = 24 * time.Hour

// issued is a certificate that was made for a test.
type issued struct {
	certificate, key []byte // in PEM
	parsed           *x509.Certificate
}

// issue makes a certificate for names, and addresses, with so long to go of ninety days.
func issue(t *testing.T, left time.Duration, names ...string) issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<60))
	if err != nil {
		t.Fatal(err)
	}
	end := time.Now().Add(left)
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "tests"}, NotBefore: end.Add(-90 * day), NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
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
	return issued{inPEM("CERTIFICATE", der), inPEM("PRIVATE KEY", keyDER), parsed}
}

func inPEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// logged is what was logged. It is safe for concurrent use.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// take gives what was logged since it was called last.
func (l *logged) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.text.Reset()
	return l.text.String()
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// wantLines fails the test unless these were logged since take was called last, and no others.
func (l *logged) wantLines(t *testing.T, what string, want ...string) {
	t.Helper()
	text := l.take()
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if text == "" {
		lines = nil
	}
	fits := len(lines) == len(want)
	for i := 0; fits && i < len(want); i++ {
		fits = strings.Contains(lines[i], want[i])
	}
	if !fits {
		t.Errorf("%s: it logged %q, want %q", what, lines, want)
	}
}

// shown makes a handshake with a configuration, and gives the certificate that the client gets.
func shown(t *testing.T, config, client *tls.Config) (*x509.Certificate, error) {
	t.Helper()
	client.InsecureSkipVerify = true
	near, far := net.Pipe()
	served := make(chan error, 1)
	go func() {
		served <- errors.Join(tls.Server(far, config).HandshakeContext(context.WithoutCancel(t.Context())), far.Close())
	}()
	conn := tls.Client(near, client)
	err := conn.HandshakeContext(t.Context())
	if err == nil {
		_, _ = io.Copy(io.Discard, conn) // takes the tickets
	}
	_ = near.Close()
	serveErr := <-served
	if err != nil {
		return nil, errors.Join(err, serveErr)
	}
	return conn.ConnectionState().PeerCertificates[0], nil
}
