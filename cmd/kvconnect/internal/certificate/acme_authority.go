package certificate

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// authorityTimeout bounds one request.
	authorityTimeout = 30 * time.Second

	// maxDocumentBytes bounds a reply. Certificates with their chains have some kilobytes.
	maxDocumentBytes = 1 << 20
)

// authority carries the requests to an authority. It does two things that autocert does not:
// it ends requests when the server does, and it remembers why the authority was not content
// with the answer to a challenge. It is safe for concurrent use.
type authority struct {
	base *http.Transport
	// bound has a request end by cut, and unbind takes that back.
	bound func(cancel func()) (unbind func() bool)
	cut   context.CancelFunc

	mu sync.Mutex
	// failures are the reasons by domain and type of the challenge, guarded by mu.
	failures map[string]map[string]string
}

// newAuthority trusts the certificates in the file, or those that the system does.
func newAuthority(path string) (*authority, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if path != "" {
		data, err := readFile("certificate of the authority", path)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("read the certificate of the authority: %s: %w", path, ErrNoCertificate)
		}
	}
	serving, cut := context.WithCancel(context.Background())
	return &authority{
		base:     &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, ForceAttemptHTTP2: true},
		bound:    func(cancel func()) func() bool { return context.AfterFunc(serving, cancel) },
		cut:      cut,
		failures: make(map[string]map[string]string),
	}, nil
}

// RoundTrip implements http.RoundTripper. The reply is read whole.
func (a *authority) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	unbind := a.bound(cancel)
	defer unbind()
	reply, err := a.base.RoundTrip(r.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	document, err := io.ReadAll(io.LimitReader(reply.Body, maxDocumentBytes+1))
	err = errors.Join(err, reply.Body.Close())
	if err == nil && len(document) > maxDocumentBytes {
		err = errors.New("the reply of the authority is too long")
	}
	if err != nil {
		return nil, err
	}
	a.read(document)
	reply.Body = io.NopCloser(bytes.NewReader(document))
	return reply, nil
}

// read takes note of what an authorization says of its challenges.
func (a *authority) read(document []byte) {
	var authorization struct {
		Identifier struct {
			Value string `json:"value"`
		} `json:"identifier"`
		Challenges []struct {
			Type  string `json:"type"`
			Error struct {
				Detail string `json:"detail"`
			} `json:"error"`
		} `json:"challenges"`
	}
	if json.Unmarshal(document, &authorization) != nil {
		return // something else
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, challenge := range authorization.Challenges {
		if challenge.Error.Detail == "" {
			continue
		}
		failures := a.failures[authorization.Identifier.Value]
		if failures == nil {
			failures = make(map[string]string)
			a.failures[authorization.Identifier.Value] = failures
		}
		failures[challenge.Type] = challenge.Error.Detail
	}
}

// reasons gives why challenges for a domain have failed since they were forgotten, or "".
func (a *authority) reasons(domain string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	failures := a.failures[domain]
	texts := make([]string, 0, len(failures))
	for _, kind := range slices.Sorted(maps.Keys(failures)) {
		texts = append(texts, kind+": "+failures[kind])
	}
	return strings.Join(texts, "; ")
}

// end ends the requests under way, and all to come.
func (a *authority) end() {
	a.cut()
	a.base.CloseIdleConnections()
}

func (a *authority) forget(domain string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.failures, domain)
}
