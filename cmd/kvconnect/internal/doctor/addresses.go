package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

const (
	// answerTimeout is how long a server may take for each answer.
	answerTimeout = 5 * time.Second
	// maxAnswerBytes is more than any answer of ours has that is looked at.
	maxAnswerBytes = 64 << 10
)

// server is a kvconnect that runs.
type server struct {
	url    string
	client *http.Client
	// certificate is what it showed with its last answer; nil without TLS.
	certificate *x509.Certificate
}

// checkAddresses finds out who listens.
func (e *examination) checkAddresses(ctx context.Context) {
	e.server = e.checkAddress(ctx, "address", e.options.Addr, "--addr")
	switch e.options.AdminAddr {
	case "":
		e.ok("admin address", "none is wanted")
	default:
		e.checkAddress(ctx, "admin address", e.options.AdminAddr, "--admin-addr")
	}
}

// checkAddress gives the server at an address, nil if there is none of ours.
func (e *examination) checkAddress(ctx context.Context, check, addr, flag string) *server {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	switch {
	case err == nil:
		err = listener.Close()
		if err == nil {
			e.ok(check, "%s is free: no server runs there", addr)
			return nil
		}
	case errors.Is(err, syscall.EADDRINUSE):
		return e.checkServer(ctx, check, addr, flag)
	}
	advice := "choose another address with " + flag
	if errors.Is(err, syscall.EACCES) {
		advice = "ports below 1024 take a permission (CAP_NET_BIND_SERVICE): choose a higher port with " + flag
	}
	e.fail(check, err.Error(), advice)
	return nil
}

// checkServer asks who holds an address.
func (e *examination) checkServer(ctx context.Context, check, addr, flag string) *server {
	for _, scheme := range []string{"http", "https"} {
		s := &server{url: scheme + "://" + Reachable(addr), client: &http.Client{
			Timeout: answerTimeout,
			// The address is of this machine, whose certificate may be for another name.
			Transport:     &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, //nolint:gosec // see above
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}}
		status, text, err := s.get(ctx, "/healthz")
		if err != nil || status != http.StatusOK || strings.TrimSpace(text) != "ok" {
			continue
		}
		status, text, err = s.get(ctx, "/readyz")
		switch text = strings.TrimSpace(text); {
		case err == nil && status == http.StatusOK && strings.HasPrefix(text, "ready"):
			e.ok(check, "a kvconnect runs at %s and is ready", addr)
			e.checkCertificate(s.certificate)
			return s
		case err == nil && status == http.StatusServiceUnavailable && strings.HasPrefix(text, "not ready"):
			e.fail(check, fmt.Sprintf("the kvconnect at %s is %s", addr, firstLine(text)), "look at its log, and at what fails below")
			e.checkCertificate(s.certificate)
			return s
		}
	}
	e.fail(check, addr+" is used by another program, or by a kvconnect that does not answer",
		"stop that program, or choose another address with "+flag)
	return nil
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

func (s *server) get(ctx context.Context, path string) (status int, text string, err error) {
	return s.do(ctx, http.MethodGet, path, http.Header{})
}

func (s *server) do(ctx context.Context, method, path string, header http.Header) (status int, text string, err error) {
	request, err := http.NewRequestWithContext(ctx, method, s.url+path, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	request.Header = header
	reply, err := s.client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { err = errors.Join(err, reply.Body.Close()) }()
	if reply.TLS != nil {
		s.certificate = reply.TLS.PeerCertificates[0] // a server shows one
	}
	body, err := io.ReadAll(io.LimitReader(reply.Body, maxAnswerBytes))
	return reply.StatusCode, string(body), err
}
