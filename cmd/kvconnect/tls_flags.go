package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/certificate"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/service"
	"github.com/spf13/pflag"
)

// tlsFlags say how clients are served over TLS.
type tlsFlags struct {
	certificatePath, keyPath string

	domains       []string
	email         string
	cachePath     string
	directoryURL  string
	authorityPath string
	challengeAddr string
}

func (l *tlsFlags) addTo(f *pflag.FlagSet) {
	f.StringVar(&l.certificatePath, "tls-cert", "",
		"the `file` in PEM with the server's certificate and those of its issuers, for TLS; it is read again when it changes")
	f.StringVar(&l.keyPath, "tls-key", "", "the `file` in PEM with the private key of that certificate")
	f.StringSliceVar(&l.domains, "acme-domain", nil,
		"a `domain` to obtain a certificate for, from Let's Encrypt unless --acme-directory names another authority; may be repeated; "+
			"whoever sets it agrees to the authority's terms of service")
	f.StringVar(&l.email, "acme-email", "", "the `address` at which the authority may tell you of trouble")
	f.StringVar(&l.cachePath, "acme-cache", "",
		"the `folder` for account, keys and certificates (default FILE.acme beside the database, or acme in the data folder)")
	f.StringVar(&l.directoryURL, "acme-directory", certificate.LetsEncryptURL, "the `URL` of the authority's ACME directory")
	f.StringVar(&l.authorityPath, "acme-ca", "",
		"a `file` in PEM with the certificates that the ACME directory is trusted by, in place of those of the system")
	f.StringVar(&l.challengeAddr, "acme-http-addr", "",
		"the `address` at which the authority is answered over plain HTTP too, such as :80, if it cannot reach --addr as port 443")
}

// resolve fails for flags that make no sense.
func (l *tlsFlags) resolve() (service.TLSOptions, error) {
	options := service.TLSOptions{
		CertificatePath: l.certificatePath, KeyPath: l.keyPath,
		Email: l.email, CachePath: l.cachePath, DirectoryURL: l.directoryURL, AuthorityPath: l.authorityPath, ChallengeAddr: l.challengeAddr,
	}
	switch {
	case (l.certificatePath == "") != (l.keyPath == ""):
		return service.TLSOptions{}, errors.New("--tls-cert and --tls-key belong together: give both, or neither for no TLS")
	case l.certificatePath != "" && len(l.domains) > 0:
		return service.TLSOptions{}, errors.New("--tls-cert and --acme-domain are both given: leave one of them out")
	case len(l.domains) == 0:
		return options, l.checkWithoutACME()
	}
	if u, err := url.Parse(l.directoryURL); err != nil || u.Scheme != "https" || u.Host == "" {
		return service.TLSOptions{}, fmt.Errorf("--acme-directory %q: give a URL such as %s", l.directoryURL, certificate.LetsEncryptURL)
	}
	if local, host, found := strings.Cut(l.email, "@"); l.email != "" && (!found || local == "" || host == "" || strings.ContainsAny(l.email, " ,:")) {
		return service.TLSOptions{}, fmt.Errorf("--acme-email %q: give one address such as ops@example.com", l.email)
	}
	for _, text := range l.domains {
		domain, err := certificate.ParseDomain(text)
		if err != nil {
			return service.TLSOptions{}, fmt.Errorf("--acme-domain %w", err)
		}
		if !slices.Contains(options.Domains, domain) {
			options.Domains = append(options.Domains, domain)
		}
	}
	return options, nil
}

// checkWithoutACME fails for a flag that would be in vain.
func (l *tlsFlags) checkWithoutACME() error {
	for name, value := range map[string]string{
		"acme-email": l.email, "acme-cache": l.cachePath, "acme-ca": l.authorityPath, "acme-http-addr": l.challengeAddr,
	} {
		if value != "" {
			return fmt.Errorf("--%s is for --acme-domain, which names what to obtain a certificate for", name)
		}
	}
	return nil
}

// hangups has SIGHUP read the files of the certificate again, in place of ending the program.
// Without files it does what it always does.
func (l *tlsFlags) hangups() (reload <-chan os.Signal, stop func()) {
	if l.certificatePath == "" {
		return nil, func() {}
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	return signals, func() { signal.Stop(signals) }
}
