package service

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/admin"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/datadir"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/metrics"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// folder is the store of a data folder with many databases.
type folder struct {
	dir         *datadir.Dir
	authority   *auth.Authority
	identity    *identity
	master      bool // an access token opens all databases
	adminToken  string
	removeAdmin func() error // nil if nobody was told of the admin listener
	options     Options
}

func openFolder(ctx context.Context, options Options, observer sqlitebackend.Observer) (_ *folder, err error) {
	master, err := chosenToken(options.AccessToken)
	if err != nil {
		return nil, err
	}
	f := &folder{options: options, master: master != nil, adminToken: options.AdminToken}
	if f.adminToken == "" {
		f.adminToken = rand.Text()
	} else if _, err := auth.HashAccessToken(f.adminToken); err != nil {
		return nil, fmt.Errorf("admin token: %w", err)
	}
	if f.identity, err = openIdentity(ctx, options); err != nil {
		return nil, err
	}
	f.dir, err = datadir.Open(ctx, datadir.Options{
		Path: options.DataDir, Create: true,
		MaxOpen: options.MaxOpenDatabases, IdleTimeout: options.DatabaseIdleTimeout, TrashRetention: options.TrashRetention,
		Durability: options.Durability, DefaultLimits: options.Limits, Logger: options.Logger, Observer: observer,
	})
	if err != nil {
		f.identity.close()
		return nil, err
	}
	if master != nil {
		if _, found := f.dir.Control().GrantByHash(*master); found {
			return nil, errors.Join(errors.New("the master token is the access token of one database: choose another one"), f.close())
		}
	}
	if f.authority, err = f.dir.NewAuthority(master, f.identity.verifier()); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

func (f *folder) databases() kvconnect.Databases { return f.dir.Databases() }

func (f *folder) authenticator() kvconnect.Authenticator { return f.authority }

// settle implements store: it leaves word of the admin listener in the folder.
func (f *folder) settle(l *listeners) (err error) {
	if l.admin == nil {
		return nil
	}
	f.removeAdmin, err = f.dir.WriteAdminAccess(datadir.AdminAccess{URL: clientURL(nil, l.admin.Addr(), nil), Token: f.adminToken})
	return err
}

func (f *folder) adminHandler(open, profiles http.Handler) http.Handler {
	handler := admin.NewHandler(admin.NewLocal(f.dir, nil), f.adminToken, open, f.options.Logger)
	if profiles != nil {
		profiles = handler.Guard(profiles)
	}
	return withProfiles(profiles, handler)
}

func (f *folder) openDatabases() []*sqlitebackend.Backend { return f.dir.OpenDatabases() }

func (f *folder) sources() metrics.Sources {
	return metrics.Sources{
		Databases: func() []metrics.Database { return databasesOf(f.dir.OpenDatabases()) },
		Exists:    f.dir.Control().HasDatabase,
		Pool: func() metrics.Pool {
			stats := f.dir.Databases().Stats()
			return metrics.Pool{
				Open: len(stats.Open), Opening: stats.Opening, Closing: stats.Closing, Waiting: stats.Waiting, MaxOpen: stats.MaxOpen,
			}
		},
		Tokens: func() metrics.Tokens { return tokensOf(f.authority) },
		Folder: func() metrics.Folder {
			counts := f.dir.Control().Counts()
			return metrics.Folder{Databases: counts.Databases, AccessTokens: counts.AccessTokens}
		},
	}
}

func (f *folder) serving(server *kvconnect.Server) { f.dir.OnKeysDropped(server.DistrustTokens) }

// greet implements store.
func (f *folder) greet(out io.Writer, url string) {
	master := ""
	if f.master {
		master = "\n  master token  the one you chose opens all of them"
	}
	n := len(f.dir.Control().Databases())
	// An error here means that nobody reads; the server runs all the same.
	_, _ = fmt.Fprintf(out, `kvconnect is listening on %s

  data folder   %s
  databases     %d%s

Make a database, and a token that opens it, from another terminal:

  kvconnect --data-dir %s db create NAME
  kvconnect --data-dir %s token create --db NAME --scope write

In your Deno program:

  const kv = await Deno.openKv(%q);

Run it with:

  DENO_KV_ACCESS_TOKEN=<the token> deno run --unstable-kv --allow-env --allow-net main.ts

`, url, f.dir.Path(), n, master, f.options.DataDir, f.options.DataDir, url)
}

func (f *folder) attributes() []any {
	return []any{"path", f.dir.Path(), "databases", len(f.dir.Control().Databases())}
}

func (f *folder) keepHouse(ctx context.Context) { f.dir.KeepHouse(ctx) }

func (f *folder) close() error {
	var errs []error
	if f.removeAdmin != nil {
		errs = append(errs, f.removeAdmin())
	}
	f.identity.close()
	return errors.Join(append(errs, f.dir.Close())...)
}
