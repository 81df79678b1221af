package doctor

import (
	"crypto/x509"
	"time"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/certificate"
)

// checkCertificate tells how long the certificate is good for that a server shows to clients;
// nil if there is none.
func (e *examination) checkCertificate(leaf *x509.Certificate) {
	const (
		check  = "certificate"
		advice = "renew it: the server takes the new one by itself, and its log says why if it does not"
	)
	if leaf == nil {
		return
	}
	until, now := leaf.NotAfter.UTC().Format(time.RFC3339), e.options.Now()
	switch {
	case now.After(leaf.NotAfter):
		e.fail(check, "it expired at "+until+": clients refuse it", advice)
	case now.Before(leaf.NotBefore):
		e.fail(check, "it is valid from "+leaf.NotBefore.UTC().Format(time.RFC3339)+" on, and not before", "set the clock, or wait until then")
	case certificate.ExpiresSoon(leaf, now):
		e.warn(check, "it is valid until "+until+", and should have been renewed", advice)
	default:
		e.ok(check, "it is valid until %s", until)
	}
}
