package certificate

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// lookInterval is how often the files are read. They are small, and to compare what they
// hold finds every way of renewal: a file that is written over or renamed into place, and a
// symbolic link on the way to it that is set anew.
const lookInterval = 10 * time.Second

// FilesOptions name the files and whom to tell.
type FilesOptions struct {
	// CertificatePath is of the certificate of the server, followed by those that its
	// issuer is known by, and KeyPath of its private key, both in PEM.
	CertificatePath, KeyPath string
	// Reload has the files read at once; nil for only now and then.
	Reload <-chan os.Signal
	// Now is time.Now if nil.
	Now    func() time.Time
	Logger *slog.Logger
}

// Files is a certificate from a pair of files. A renewed pair is taken when Keep sees it; one
// that cannot be, because only one of the files is renewed so far for example, leaves the
// certificate in use. It is safe for concurrent use, except that Keep runs once.
type Files struct {
	options FilesOptions
	config  *tls.Config
	current atomic.Pointer[tls.Certificate]

	// The rest belongs to Keep, once Files is open.
	taken   pairData
	trouble string // why the files were not taken when they were last read
	told    bool   // the log says so
	expiry  expiryWarner
}

// OpenFiles reads the files, and fails if they are no certificate with its key.
func OpenFiles(options FilesOptions) (*Files, error) {
	if options.Now == nil {
		options.Now = time.Now
	}
	f := &Files{options: options, expiry: expiryWarner{logger: options.Logger}}
	f.config = newConfig(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.current.Load(), nil })
	data, err := readPair(options.CertificatePath, options.KeyPath)
	if err == nil {
		err = f.take(data)
	}
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	f.expiry.look(f.current.Load().Leaf, options.Now())
	return f, nil
}

// TLSConfig gives the configuration of a listener.
func (f *Files) TLSConfig() *tls.Config { return f.config }

// NotAfter gives the moment at which the certificate in use expires.
func (f *Files) NotAfter() (notAfter time.Time, known bool) {
	return f.current.Load().Leaf.NotAfter, true
}

// Host gives the name to reach the server by that its certificate is good for: host, if it
// is for that, or else the first that is in it.
func (f *Files) Host(host string) string {
	leaf := f.current.Load().Leaf
	if leaf.VerifyHostname(host) == nil {
		return host
	}
	for _, name := range namesOf(leaf) {
		if leaf.VerifyHostname(name) == nil && !strings.Contains(name, "*") {
			return name
		}
	}
	return host
}

// Keep looks after the files until ctx ends.
func (f *Files) Keep(ctx context.Context) {
	ticker := time.NewTicker(lookInterval)
	defer ticker.Stop()
	for {
		asked := false
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-f.options.Reload:
			asked = true
		}
		f.look(asked)
	}
}

// look takes what the files hold, if that is another pair. asked tells that somebody waits to
// hear of it.
func (f *Files) look(asked bool) {
	data, err := readPair(f.options.CertificatePath, f.options.KeyPath)
	switch {
	case err != nil:
	case !data.equal(f.taken):
		err = f.take(data)
	case asked:
		f.options.Logger.Info("tls certificate is the same as before", attributesOf(f.current.Load().Leaf)...)
	}
	f.note(err, asked)
	f.expiry.look(f.current.Load().Leaf, f.options.Now())
}

func (f *Files) take(data pairData) error {
	pair, err := data.parse(f.options.CertificatePath, f.options.KeyPath)
	if err != nil {
		return err
	}
	f.taken = data
	f.current.Store(pair)
	f.options.Logger.Info("tls certificate loaded", attributesOf(pair.Leaf)...)
	return nil
}

// note has a trouble logged once, and not before it was there twice in a row, unless somebody
// asked: two files are not renewed in one moment.
func (f *Files) note(err error, asked bool) {
	if err == nil {
		f.trouble, f.told = "", false
		return
	}
	if text := err.Error(); text != f.trouble {
		f.trouble, f.told = text, false
		if !asked {
			return
		}
	}
	if !f.told || asked {
		f.told = true
		f.options.Logger.Warn("tls certificate not taken, the one before goes on", "error", err)
	}
}
