package certificate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme/autocert"
)

// domain is one of those that certificates are obtained for.
type domain struct {
	name    string
	logger  *slog.Logger
	now     func() time.Time
	current atomic.Pointer[tls.Certificate] // nil before there is one

	expiry expiryWarner // belongs to the goroutine that keeps the domain
}

// recall shows what is in the cache from earlier, if it is still good: until autocert has been
// asked, which goes on in the background, clients need not be turned away.
func (d *domain) recall(cache autocert.Cache) {
	data, err := cache.Get(context.Background(), d.name)
	if err != nil {
		return // autocert tells, if it is more than that there is none
	}
	pair, err := tls.X509KeyPair(data, data)
	if err == nil && pair.Leaf.VerifyHostname(d.name) == nil && d.now().Before(pair.Leaf.NotAfter) {
		d.show(&pair, "")
	}
}

// show takes a certificate for the handshakes to come. reason is why it was not renewed, if
// that has failed.
func (d *domain) show(obtained *tls.Certificate, reason string) {
	if current := d.current.Load(); current == nil || !current.Leaf.Equal(obtained.Leaf) {
		d.current.Store(obtained)
		d.logger.Info("tls certificate loaded", attributesOf(obtained.Leaf)...)
	}
	d.expiry.look(obtained.Leaf, d.now(), "reason", reason)
}

// openCache makes the folder if it is not there, and fails if nothing can be kept in it: each
// start would ask for new certificates, which authorities bear a few times a week.
func openCache(path string) (autocert.Cache, error) {
	hint := "name a folder with --acme-cache that the user may write in that the server runs as"
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder for certificates: %w: %s", err, hint)
	}
	probe, err := os.CreateTemp(path, ".probe")
	if err != nil {
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrInvalid) {
			err = fmt.Errorf("%w: %s", err, hint)
		}
		return nil, fmt.Errorf("write in the folder for certificates: %w", err)
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return nil, fmt.Errorf("write in the folder for certificates: %w", err)
	}
	return autocert.DirCache(path), nil
}
