package httpconn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"
)

// Dial connects to the host of an http or https URL. patience is how long the server
// may be silent, while calls are under way, before the connection counts as broken. It
// bounds Dial too.
func Dial(ctx context.Context, origin *url.URL, version Version, patience time.Duration) (Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := dial(ctx, origin, version)
	var network net.Error
	if errors.As(err, &network) && network.Timeout() {
		return nil, fmt.Errorf("%w: %w", ErrSilent, err)
	}
	if err != nil {
		return nil, err
	}
	if version == HTTP1 {
		return newHTTP1(conn, origin, patience), nil
	}
	return newHTTP2(ctx, conn, origin, patience)
}

func dial(ctx context.Context, origin *url.URL, version Version) (net.Conn, error) {
	port := origin.Port()
	if origin.Scheme != "https" {
		if port == "" {
			port = "80"
		}
		return (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(origin.Hostname(), port))
	}
	if port == "" {
		port = "443"
	}
	alpn := map[Version]string{HTTP1: "http/1.1", HTTP2: "h2"}[version]
	dialer := tls.Dialer{Config: &tls.Config{NextProtos: []string{alpn}, MinVersion: tls.VersionTLS12}}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(origin.Hostname(), port))
	if err != nil {
		return nil, err
	}
	secure, ok := conn.(*tls.Conn)
	if !ok || version == HTTP2 && secure.ConnectionState().NegotiatedProtocol != alpn {
		_ = conn.Close() // nothing was sent
		return nil, fmt.Errorf("%w: it does not speak HTTP/2 over TLS", ErrProtocol)
	}
	return conn, nil
}
