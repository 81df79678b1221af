package certificate

import (
	"crypto/x509"
	"log/slog"
	"time"
)

const (
	// expiresSoon is how long before its end a certificate should have been renewed, unless
	// that is more than the last of its quarters: some are made for days only.
	expiresSoon = 14 * 24 * time.Hour
	lastQuarter = 4
	// expiryWarnInterval is how often somebody is told that it was not.
	expiryWarnInterval = 24 * time.Hour
)

// expiryWarner warns of a certificate that nobody renews. One goroutine at a time uses it.
type expiryWarner struct {
	logger   *slog.Logger
	warnedAt time.Time // zero if the certificate is none to warn of
	expired  bool      // what was said then
}

// ExpiresSoon tells whether a certificate should have been renewed by now, or has expired.
func ExpiresSoon(leaf *x509.Certificate, now time.Time) bool {
	return leaf.NotAfter.Sub(now) < min(expiresSoon, leaf.NotAfter.Sub(leaf.NotBefore)/lastQuarter)
}

// look warns, if there is reason to and it was not said of late. attributes are further ones.
func (w *expiryWarner) look(leaf *x509.Certificate, now time.Time, attributes ...any) {
	left := leaf.NotAfter.Sub(now)
	if !ExpiresSoon(leaf, now) {
		w.warnedAt, w.expired = time.Time{}, false
		return
	}
	expired := left < 0
	if !w.warnedAt.IsZero() && now.Sub(w.warnedAt) < expiryWarnInterval && expired == w.expired {
		return
	}
	w.warnedAt, w.expired = now, expired
	attributes = append(attributesOf(leaf), attributes...)
	if expired {
		w.logger.Warn("tls certificate has expired", attributes...)
		return
	}
	w.logger.Warn("tls certificate expires soon", append(attributes, "left", left.Round(time.Minute).String())...)
}

// attributesOf gives what the log says of a certificate.
func attributesOf(leaf *x509.Certificate) []any {
	return []any{"names", namesOf(leaf), "not_after", leaf.NotAfter.UTC().Format(time.RFC3339)}
}

// namesOf gives the names that a certificate is good for.
func namesOf(leaf *x509.Certificate) []string {
	names := append([]string{}, leaf.DNSNames...)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 { // no client goes by it any more, but it says which certificate it is
		names = append(names, leaf.Subject.CommonName)
	}
	return names
}
