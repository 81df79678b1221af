package service

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/certificate"
	"github.com/kvconnect/kvconnect/transport"
)

// TLSOptions say which certificate clients are shown. Without one, clients are served
// without TLS. There is one of a pair of files or those of ACME, never both.
type TLSOptions struct {
	// CertificatePath and KeyPath are of files in PEM.
	CertificatePath, KeyPath string
	// Reload has the files read at once; nil for only now and then.
	Reload <-chan os.Signal

	// Domains are those to obtain certificates for, as certificate.ParseDomain gives them.
	Domains []string
	// Email, CachePath, DirectoryURL and AuthorityPath are those of certificate.ACMEOptions.
	// An empty CachePath is beside the database, or in the data folder.
	Email, CachePath, DirectoryURL, AuthorityPath string
	// ChallengeAddr is where the authority is answered over plain HTTP, "" for nowhere.
	ChallengeAddr string
}

const (
	// acmeSuffix is what the name of the folder for certificates has beyond that of the
	// database, and acmeFolder is its name in a data folder.
	acmeSuffix = ".acme"
	acmeFolder = "acme"
)

// certificates are what clients are shown. They are safe for concurrent use.
type certificates interface {
	TLSConfig() *tls.Config
	// NotAfter gives when the first of them expires, if there are any.
	NotAfter() (notAfter time.Time, known bool)
	// Host gives the name that clients are to reach the server by, host if they may.
	Host(host string) string
	// Keep sees to it that renewed ones are taken, until ctx ends.
	Keep(ctx context.Context)
}

// openCertificates gives nil if there is to be no TLS, and a handler of the challenges of an
// authority if they are to be answered over plain HTTP.
func openCertificates(options Options) (shown certificates, challenges http.Handler, err error) {
	o := options.TLS
	switch {
	case o.CertificatePath != "":
		files, err := certificate.OpenFiles(certificate.FilesOptions{
			CertificatePath: o.CertificatePath, KeyPath: o.KeyPath, Reload: o.Reload, Logger: options.Logger,
		})
		if err != nil {
			return nil, nil, err
		}
		return files, nil, nil
	case len(o.Domains) > 0:
		acme, err := certificate.OpenACME(certificate.ACMEOptions{
			Domains: o.Domains, Email: o.Email, CachePath: options.acmePath(),
			DirectoryURL: o.DirectoryURL, AuthorityPath: o.AuthorityPath, Logger: options.Logger,
		})
		if err != nil {
			return nil, nil, err
		}
		if o.ChallengeAddr != "" {
			challenges = acme.ChallengeHandler()
		}
		return acme, challenges, nil
	default:
		return nil, nil, nil
	}
}

// acmePath is where certificates are kept: with the data, because who moves or backs up the
// one should have the other, and the user that the server runs as may write there.
func (o Options) acmePath() string {
	switch {
	case o.TLS.CachePath != "":
		return o.TLS.CachePath
	case o.DataDir != "":
		return filepath.Join(o.DataDir, acmeFolder)
	default:
		return o.SQLitePath + acmeSuffix
	}
}

// secured gives a listener that speaks TLS if there are certificates to show.
func secured(listener net.Listener, shown certificates) net.Listener {
	if shown == nil {
		return listener
	}
	return tls.NewListener(transport.QuickAck(listener), shown.TLSConfig())
}
