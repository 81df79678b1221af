package conformance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// certificate is one for 127.0.0.1, from an authority that those trust who are told to. The
// paths are of files in PEM.
type certificate struct {
	certPath, keyPath string
	authorityPath     string

	authority    *x509.Certificate
	authorityKey *ecdsa.PrivateKey
	renewals     int64
}

func newCertificate(t *testing.T) *certificate {
	t.Helper()
	folder := t.TempDir()
	c := &certificate{
		certPath: filepath.Join(folder, "cert.pem"), keyPath: filepath.Join(folder, "key.pem"),
		authorityPath: filepath.Join(folder, "authority.pem"), authorityKey: newKey(t),
		authority: &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority of the tests"},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
			KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true,
		},
	}
	der, err := x509.CreateCertificate(rand.Reader, c.authority, c.authority, c.authorityKey.Public(), c.authorityKey)
	if err != nil {
		t.Fatal(err)
	}
	if c.authority, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	writePEM(t, c.authorityPath, "CERTIFICATE", der)
	c.renew(t)
	return c
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// writePEM puts a file in the place of one that may be there.
func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	draft := path + ".new"
	if err := os.WriteFile(draft, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(draft, path); err != nil {
		t.Fatal(err)
	}
}

// renew makes the files anew, and gives the serial number of the certificate.
func (c *certificate) renew(t *testing.T) int64 {
	t.Helper()
	c.renewals++
	serial := 1 + c.renewals
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "kvconnect tests"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, c.authority, key.Public(), c.authorityKey)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, c.keyPath, "PRIVATE KEY", keyDER)
	writePEM(t, c.certPath, "CERTIFICATE", der)
	return serial
}

// trust gives the configuration of a client that trusts the authority, and no other one.
func (c *certificate) trust() *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(c.authority)
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}
