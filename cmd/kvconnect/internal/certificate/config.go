package certificate

import (
	"crypto/tls"
	"errors"
)

// Protocols that a client may choose from by ALPN, the preferred one first.
const (
	protocolHTTP2 = "h2"
	protocolHTTP1 = "http/1.1"
)

// ErrNotYet is what a handshake fails with for a domain whose certificate is not there yet.
var ErrNotYet = errors.New("the certificate of the domain is not there yet")

// newConfig gives a configuration that shows what choose gives. As it is one and the same for
// the life of the server, a session that a client resumes outlives a renewed certificate.
func newConfig(choose func(*tls.ClientHelloInfo) (*tls.Certificate, error), protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     append([]string{protocolHTTP2, protocolHTTP1}, protocols...),
		GetCertificate: choose,
	}
}
