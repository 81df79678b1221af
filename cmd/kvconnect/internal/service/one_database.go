package service

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"

	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/metrics"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// oneDatabase is the store of one file, which one access token opens.
type oneDatabase struct {
	backend     *sqlitebackend.Backend
	credentials *credentials
	authority   *auth.Authority
	identity    *identity
	options     Options
}

func openOneDatabase(ctx context.Context, options Options, observer sqlitebackend.Observer) (_ *oneDatabase, err error) {
	// Before a file is made in vain.
	chosen, err := chosenToken(options.AccessToken)
	if err != nil {
		return nil, err
	}
	o := &oneDatabase{options: options}
	if o.identity, err = openIdentity(ctx, options); err != nil {
		return nil, err
	}
	o.backend, err = sqlitebackend.Open(sqlitebackend.Options{
		Path: options.SQLitePath, ReadOnly: options.ReadOnly, Durability: options.Durability,
		MaxFileBytes: options.Limits.FileBytes, Logger: options.Logger, Observer: observer,
	})
	if err != nil {
		o.identity.close()
		return nil, err
	}
	o.credentials, err = loadCredentials(options, chosen, o.backend.Path()+secretsSuffix)
	if err != nil {
		return nil, errors.Join(err, o.close())
	}
	keys, err := o.credentials.secrets.KeyRing()
	if err != nil {
		return nil, errors.Join(err, o.close())
	}
	o.authority = auth.New(auth.Options{
		Registry: auth.NewOneDatabase(o.backend.DatabaseID(), "", access.NewMeter(options.Limits)),
		Keys:     keys,
		Master:   &o.credentials.accessToken,
		Identity: o.identity.verifier(),
	})
	return o, nil
}

func (o *oneDatabase) databases() kvconnect.Databases {
	return kvconnect.OneDatabase(o.backend.DatabaseID(), o.backend)
}

func (o *oneDatabase) authenticator() kvconnect.Authenticator { return o.authority }

// settle implements store. The ports come before a new token is saved: a start that fails
// must not use up the one time that the token is shown.
func (o *oneDatabase) settle(*listeners) error { return o.credentials.save() }

func (*oneDatabase) adminHandler(open, profiles http.Handler) http.Handler {
	if profiles != nil {
		profiles = onlyLocal(profiles)
	}
	return withProfiles(profiles, open)
}

func (o *oneDatabase) openDatabases() []*sqlitebackend.Backend {
	return []*sqlitebackend.Backend{o.backend}
}

func (o *oneDatabase) sources() metrics.Sources {
	return metrics.Sources{
		Databases: func() []metrics.Database { return databasesOf(o.openDatabases()) },
		Tokens:    func() metrics.Tokens { return tokensOf(o.authority) },
	}
}

func (*oneDatabase) serving(*kvconnect.Server) {}

func (o *oneDatabase) greet(out io.Writer, url string) {
	greet(out, greeting{
		url: url, path: o.backend.Path(), readOnly: o.options.ReadOnly,
		token: o.credentials.tokenSource, newToken: o.credentials.newToken,
	})
}

func (o *oneDatabase) attributes() []any {
	return []any{"path", o.backend.Path(), "file_bytes", fileBytes(o.backend.Path()), "database_id", o.backend.DatabaseID().String(), "read_only", o.options.ReadOnly}
}

// fileBytes is how large a file is, for the log; 0 if that cannot be told.
func fileBytes(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

func (*oneDatabase) keepHouse(context.Context) {}

func (o *oneDatabase) close() error {
	o.identity.close()
	return o.backend.Close()
}
