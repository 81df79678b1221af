// Package service runs a KV Connect server from start to drained stop: it opens
// the database, finds the credentials, listens, greets the user and serves until
// its context ends.
package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"runtime"
	"time"

	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// Options says what to serve, where and to whom.
type Options struct {
	// SQLitePath is the file that holds the database.
	SQLitePath string
	ReadOnly   bool
	Durability sqlitebackend.Durability

	// Transport carries the calls of clients.
	Transport Transport

	// Addr is the address for clients.
	Addr string
	// AdminAddr is the address for operators, "" for none. AdminAddrChosen tells
	// that the user named it, so that it is an error if it is taken.
	AdminAddr       string
	AdminAddrChosen bool

	// AccessToken opens the database; "" for the generated one.
	AccessToken string
	// NewAccessToken makes a new generated access token.
	NewAccessToken bool

	// PublicURL and TrustedProxies are those of kvconnect.Options.
	PublicURL      *url.URL
	TrustedProxies []netip.Prefix

	// Version is what the log says is running.
	Version string
	// Out gets the greeting.
	Out    io.Writer
	Logger *slog.Logger
}

// drainTimeout is how long requests under way may take once the server stops. It
// stays below the 30 seconds after which service managers lose their patience.
const drainTimeout = 25 * time.Second

// Run serves until ctx ends, then drains. It returns nil after a clean stop.
func Run(ctx context.Context, options Options) (err error) {
	defer runtime.KeepAlive(raiseHeapFloor())
	// Before a file is made in vain.
	chosen, err := chosenToken(options.AccessToken)
	if err = errors.Join(err, options.Transport.Validate()); err != nil {
		return err
	}
	backend, err := sqlitebackend.Open(sqlitebackend.Options{
		Path: options.SQLitePath, ReadOnly: options.ReadOnly, Durability: options.Durability, Logger: options.Logger,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, backend.Close()) }()

	credentials, err := loadCredentials(options, chosen, backend.Path()+secretsSuffix)
	if err != nil {
		return err
	}
	// The ports come before a new token is saved: a start that fails must not
	// use up the one time that the token is shown.
	listeners, err := listen(ctx, options)
	if err != nil {
		return err
	}
	if err := credentials.save(); err != nil {
		return errors.Join(err, listeners.close())
	}
	keys, err := credentials.secrets.KeyRing()
	if err != nil {
		return errors.Join(err, listeners.close())
	}
	server := kvconnect.New(kvconnect.Options{
		Databases: kvconnect.OneDatabase(backend.DatabaseID(), backend),
		Auth: auth.New(auth.Options{
			Registry: auth.NewOneDatabase(backend.DatabaseID(), "", nil), Keys: keys, Master: &credentials.accessToken,
		}),
		PublicURL:      options.PublicURL,
		TrustedProxies: options.TrustedProxies,
		Logger:         options.Logger,
	})
	greet(options.Out, greeting{
		url:      clientURL(options.PublicURL, listeners.main.Addr()),
		path:     backend.Path(),
		readOnly: options.ReadOnly,
		token:    credentials.tokenSource,
		newToken: credentials.newToken,
	})
	options.Logger.Info("serving", "version", options.Version, "addr", listeners.main.Addr().String(),
		"admin_addr", listeners.adminAddr(), "path", backend.Path(), "database_id", backend.DatabaseID().String(),
		"read_only", options.ReadOnly, "durability", string(options.Durability),
		"transport", string(options.Transport))
	err = serve(ctx, listeners, server, options)
	options.Logger.Info("stopped")
	return err
}

// serve answers requests until ctx ends or a listener fails, then drains.
func serve(ctx context.Context, listeners *listeners, server *kvconnect.Server, options Options) error {
	logger := options.Logger
	clients := newCarrier(options.Transport, server, logger)
	carriers := []carrier{clients}
	failed := make(chan error, 2)
	go func() { failed <- clients.Serve(listeners.main) }()
	if listeners.admin != nil {
		admin := kvconnect.NewHTTPServer(server.HealthHandler(), logger)
		carriers = append(carriers, admin)
		go func() { failed <- admin.Serve(listeners.admin) }()
	}

	var errs []error
	running := len(carriers)
	select {
	case <-ctx.Done():
		logger.Info("draining", "timeout", drainTimeout.String())
	case err := <-failed:
		errs = append(errs, fmt.Errorf("serve: %w", err))
		running--
	}
	server.Drain()
	drainCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	// The admin server goes last, to tell that the other one is draining.
	for _, carrier := range carriers {
		if err := carrier.Shutdown(drainCtx); err != nil {
			logger.Warn("requests were cut off", "error", err)
			errs = append(errs, carrier.Close())
		}
	}
	for range running {
		if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
			errs = append(errs, fmt.Errorf("serve: %w", err))
		}
	}
	return errors.Join(errs...)
}
