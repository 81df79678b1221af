package auth

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

const (
	// maxKeySetBytes is far above the JWK Set of any provider.
	maxKeySetBytes = 1 << 20

	// keySetTimeout is how long a URL may take to give its whole JWK Set.
	keySetTimeout = 10 * time.Second

	// maxKeySetRedirects is how many redirects are followed.
	maxKeySetRedirects = 3
)

var (
	errKeySetTimeout   = errors.New("it did not answer in time")
	errKeySetRedirects = errors.New("it redirects too often")
	errKeySetDowngrade = errors.New("it redirects from https to http, which anybody on the way could answer")
	errNoHTTP          = errors.New("there is no answer in the form of HTTP")
)

// keySource is where a JWK Set can be read. Its String may be logged, and so may its
// errors.
type keySource interface {
	read(ctx context.Context) ([]byte, error)
	String() string
}

// newKeySource fails with ErrProviderOptions.
func newKeySource(location string, transport http.RoundTripper) (keySource, error) {
	scheme, _, isURL := strings.Cut(location, "://")
	switch {
	case location == "":
		return nil, fmt.Errorf("%w: the URL or file with its keys is needed (a JWK Set)", ErrProviderOptions)
	case !isURL:
		return fileKeySource(location), nil
	case !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https"):
		return nil, fmt.Errorf("%w: its JWK Set can be read from an http or https URL or from the path of a file, not from another URL", ErrProviderOptions)
	}
	parsed, err := url.Parse(location)
	if err != nil || parsed.Host == "" {
		return nil, fmt.Errorf("%w: the URL of its JWK Set is malformed", ErrProviderOptions)
	}
	if transport == nil {
		// A connection is needed too rarely to be worth keeping.
		transport = &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10}
	}
	client := &http.Client{Transport: transport, CheckRedirect: checkKeySetRedirect}
	return urlKeySource{url: parsed, client: client}, nil
}

// fileKeySource is the path of a file.
type fileKeySource string

func (s fileKeySource) String() string { return string(s) }

func (s fileKeySource) read(context.Context) ([]byte, error) {
	info, err := os.Stat(string(s))
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %s is not a file", ErrKeySet, s) // reading a pipe may not end
	}
	file, err := os.Open(string(s))
	if err != nil {
		return nil, err
	}
	data, err := readKeySet(file)
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	return data, nil
}

// urlKeySource is an http or https URL.
type urlKeySource struct {
	url    *url.URL
	client *http.Client
}

// String leaves out what may be a secret.
func (s urlKeySource) String() string {
	return (&url.URL{Scheme: s.url.Scheme, Host: s.url.Host, Path: s.url.Path}).String()
}

// isProtected tells whether nobody on the way can change the reply.
func (s urlKeySource) isProtected() bool {
	host := s.url.Hostname()
	return strings.EqualFold(s.url.Scheme, "https") || host == "localhost" || net.ParseIP(host).IsLoopback()
}

func (s urlKeySource) read(ctx context.Context) (data []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, keySetTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	request.Header.Set("User-Agent", "kvconnect")
	response, err := s.client.Do(request)
	if err != nil {
		return nil, presentableError(err)
	}
	defer func() {
		if closeErr := response.Body.Close(); err == nil && closeErr != nil {
			err = presentableError(closeErr)
		}
	}()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: the reply has the status %d", ErrKeySet, response.StatusCode)
	}
	data, err = readKeySet(response.Body)
	if err != nil && !errors.Is(err, ErrKeySet) {
		return nil, presentableError(err)
	}
	return data, err
}

func readKeySet(from io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(from, maxKeySetBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxKeySetBytes {
		return nil, fmt.Errorf("%w: it is larger than %d bytes", ErrKeySet, maxKeySetBytes)
	}
	return data, nil
}

func checkKeySetRedirect(request *http.Request, via []*http.Request) error {
	switch {
	case len(via) > maxKeySetRedirects:
		return errKeySetRedirects
	case request.URL.Scheme != "https" && via[len(via)-1].URL.Scheme == "https":
		return errKeySetDowngrade
	default:
		return nil
	}
}

// presentableError keeps of an error of package http what is known to repeat neither the
// URL nor the reply: a malformed reply stands word for word in some of them.
func presentableError(err error) error {
	var (
		network     *net.OpError
		certificate *tls.CertificateVerificationError
		timeout     net.Error
	)
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return errKeySetTimeout
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.As(err, &network):
		return network
	case errors.As(err, &certificate):
		return certificate
	case errors.Is(err, errKeySetRedirects):
		return errKeySetRedirects
	case errors.Is(err, errKeySetDowngrade):
		return errKeySetDowngrade
	case errors.Is(err, io.ErrUnexpectedEOF):
		return io.ErrUnexpectedEOF
	default:
		return errNoHTTP
	}
}
