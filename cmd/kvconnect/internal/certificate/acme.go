package certificate

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// LetsEncryptURL is the directory of the authority that is asked unless another one is named.
const LetsEncryptURL = acme.LetsEncryptURL

const (
	// obtainedInterval is how often it is looked whether a certificate was renewed, which
	// autocert sees to by itself.
	obtainedInterval = time.Minute

	// The pause after a certificate could not be obtained grows from the one to the other.
	// Authorities count what fails: Let's Encrypt bears five times in an hour. It is also
	// longer than the minute for which autocert remembers a failure.
	minObtainPause = 2 * time.Minute
	maxObtainPause = time.Hour

	// autocertPatience is how long the end of the server waits for autocert, which heeds no
	// context, once its requests are cut off.
	autocertPatience = 2 * time.Second
)

// ACMEOptions say for what a certificate is to be obtained, and from whom.
type ACMEOptions struct {
	// Domains are at least one, as ParseDomain gives them.
	Domains []string
	// Email is where the authority may write to, "" for nowhere.
	Email string
	// CachePath is the folder for account, keys and certificates. It is made if it is not
	// there, for its owner alone.
	CachePath string
	// DirectoryURL is that of the authority, "" for Let's Encrypt.
	DirectoryURL string
	// AuthorityPath is a file in PEM with the certificates that the directory itself is
	// trusted by, in place of those of the system; "" for these.
	AuthorityPath string
	// Now is time.Now if nil.
	Now    func() time.Time
	Logger *slog.Logger
}

// ACME has a certificate for each of some domains from an authority, whose terms it agrees to.
// Keep obtains and renews them; a handshake never waits for that. It is safe for concurrent
// use, except that Keep runs once.
type ACME struct {
	options   ACMEOptions
	manager   *autocert.Manager
	authority *authority
	config    *tls.Config
	domains   map[string]*domain // by name; never changes
}

// OpenACME shows what is in the folder from earlier, and asks the authority for nothing yet.
func OpenACME(options ACMEOptions) (*ACME, error) {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.DirectoryURL == "" {
		options.DirectoryURL = LetsEncryptURL
	}
	cache, err := openCache(options.CachePath)
	if err != nil {
		return nil, fmt.Errorf("acme: %w", err)
	}
	authority, err := newAuthority(options.AuthorityPath)
	if err != nil {
		return nil, fmt.Errorf("acme: %w", err)
	}
	a := &ACME{
		options: options, authority: authority, domains: make(map[string]*domain),
		manager: &autocert.Manager{
			Prompt: autocert.AcceptTOS, Cache: cache, Email: options.Email,
			Client: &acme.Client{
				DirectoryURL: options.DirectoryURL, UserAgent: "kvconnect",
				HTTPClient: &http.Client{Transport: authority, Timeout: authorityTimeout},
			},
		},
	}
	a.manager.HostPolicy = a.allow
	a.config = newConfig(a.choose, acme.ALPNProto)
	for _, name := range options.Domains {
		d := &domain{name: name, logger: options.Logger, now: options.Now, expiry: expiryWarner{logger: options.Logger}}
		d.recall(cache)
		a.domains[name] = d
	}
	return a, nil
}

// TLSConfig gives the configuration of a listener.
func (a *ACME) TLSConfig() *tls.Config { return a.config }

// NotAfter gives the moment at which the first of the certificates expires, if there are any.
func (a *ACME) NotAfter() (notAfter time.Time, known bool) {
	for _, d := range a.domains {
		if current := d.current.Load(); current != nil && (!known || current.Leaf.NotAfter.Before(notAfter)) {
			notAfter, known = current.Leaf.NotAfter, true
		}
	}
	return notAfter, known
}

// Host gives the name to reach the server by.
func (a *ACME) Host(string) string { return a.options.Domains[0] }

// allow fails for a host, with or without a port, that is none of the domains.
func (a *ACME) allow(_ context.Context, host string) error {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if a.domains[host] == nil {
		return fmt.Errorf("%s is none of the domains of this server", host)
	}
	return nil
}

// choose gives the certificate for a handshake, and at once. For a name that is none of the
// domains it gives none, which crypto/tls tells the client.
func (a *ACME) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	d := a.domains[strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))]
	switch {
	case d == nil:
		return nil, nil
	case slices.Equal(hello.SupportedProtos, []string{acme.ALPNProto}): // the authority itself
		return a.manager.GetCertificate(hello)
	}
	if current := d.current.Load(); current != nil {
		return current, nil
	}
	return nil, fmt.Errorf("%s: %w", d.name, ErrNotYet)
}

// ChallengeHandler gives what answers the authority over plain HTTP on port 80. Without it,
// which must be asked for before Keep, the authority is answered by TLS alone.
func (a *ACME) ChallengeHandler() http.Handler {
	return a.manager.HTTPHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		// No redirect: Deno would send its access token over plain HTTP each time, and none
		// would see that its URL is wrong.
		http.Error(w, "this port is for certificate authorities alone: open the database with an https URL", http.StatusBadRequest)
	}))
}

// Keep obtains the certificates and has them renewed, until ctx ends. The listener must be
// served meanwhile.
func (a *ACME) Keep(ctx context.Context) {
	var keepers sync.WaitGroup
	for _, d := range a.domains {
		keepers.Go(func() { a.keep(ctx, d) })
	}
	<-ctx.Done()
	a.authority.end()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		keepers.Wait()
	}()
	select {
	case <-ended:
	case <-time.After(autocertPatience):
	}
}

func (a *ACME) keep(ctx context.Context, d *domain) {
	pause := minObtainPause
	for {
		next := obtainedInterval
		if err := a.obtain(d); err == nil {
			pause = minObtainPause
		} else if ctx.Err() == nil {
			next, pause = pause, min(2*pause, maxObtainPause)
			a.options.Logger.Warn("tls certificate not obtained", "domain", d.name, "error", err,
				"reason", a.authority.reasons(d.name), "retry_after", next.String())
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(next):
		}
	}
}

// obtain has autocert give what it has, or obtain it.
func (a *ACME) obtain(d *domain) error {
	if d.current.Load() == nil {
		a.authority.forget(d.name)
		a.options.Logger.Info("obtaining a tls certificate", "domain", d.name, "directory", a.options.DirectoryURL)
	}
	obtained, err := a.manager.GetCertificate(&tls.ClientHelloInfo{
		ServerName:   d.name,
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}, // the key is to be of ECDSA
	})
	if err != nil {
		return err
	}
	d.show(obtained, a.authority.reasons(d.name))
	return nil
}
