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
	"slices"
	"sync"
	"time"

	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// Options says what to serve, where and to whom.
type Options struct {
	// SQLitePath is the file that holds the database. It means nothing if there is a
	// DataDir.
	SQLitePath string
	ReadOnly   bool
	Durability sqlitebackend.Durability

	// DataDir is the folder that holds many databases; "" for one database.
	DataDir string
	// MaxOpenDatabases, DatabaseIdleTimeout and TrashRetention are those of
	// datadir.Options.
	MaxOpenDatabases    int
	DatabaseIdleTimeout time.Duration
	TrashRetention      time.Duration
	// AdminToken opens the admin listener of a folder; "" for one made at each start.
	AdminToken string

	// Limits hold for each database that has none of its own.
	Limits access.Limits
	// SlowRequest and MaxRequests are those of kvconnect.Options.
	SlowRequest time.Duration
	MaxRequests int
	// Identity is the user's own provider of access tokens.
	Identity IdentityOptions

	// Transport carries the calls of clients.
	Transport Transport
	// Connections bounds what comes to Addr.
	Connections ConnectionLimits

	// Addr is the address for clients.
	Addr string
	// AdminAddr is the address for operators, "" for none. AdminAddrChosen tells
	// that the user named it, so that it is an error if it is taken.
	AdminAddr       string
	AdminAddrChosen bool

	// AccessToken opens the database, or all of them; "" for the generated one, or none.
	AccessToken string
	// NewAccessToken makes a new generated access token.
	NewAccessToken bool

	// Metrics says what is measured, for the admin listener.
	Metrics MetricsOptions
	// Profiles has the admin listener serve profiles of the process: of a folder to who has
	// the admin token, of one file on an address of this machine alone.
	Profiles bool

	// PublicURL and TrustedProxies are those of kvconnect.Options.
	PublicURL      *url.URL
	TrustedProxies []netip.Prefix

	// Version and Revision are what the log says is running; Revision is that of the version
	// control, "" if it is not known.
	Version, Revision string
	// Out gets the greeting.
	Out    io.Writer
	Logger *slog.Logger
}

// mostDatabases is how many databases may be open at once.
func (o Options) mostDatabases() int {
	if o.DataDir == "" {
		return 1
	}
	return o.MaxOpenDatabases
}

// drainTimeout is how long requests under way may take once the server stops. It
// stays below the 30 seconds after which service managers lose their patience.
const drainTimeout = 25 * time.Second

// Run serves until ctx ends, then drains. It returns nil after a clean stop.
func Run(ctx context.Context, options Options) (err error) {
	defer runtime.KeepAlive(raiseHeapFloor())
	started := time.Now()
	if err := options.Validate(); err != nil {
		return err
	}
	telemetry := newTelemetry(options)
	store, err := openStore(ctx, options, telemetry.storage())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.close()) }()
	listeners, err := listen(ctx, options)
	if err != nil {
		return err
	}
	if err := checkProfiles(options, listeners); err != nil {
		return errors.Join(err, listeners.close())
	}
	if err := store.settle(listeners); err != nil {
		return errors.Join(err, listeners.close())
	}
	server := kvconnect.New(kvconnect.Options{
		Databases:      store.databases(),
		Auth:           store.authenticator(),
		PublicURL:      options.PublicURL,
		TrustedProxies: options.TrustedProxies,
		Logger:         options.Logger,
		SlowRequest:    options.SlowRequest,
		MaxRequests:    options.MaxRequests,
		Observer:       telemetry.requests(),
	})
	store.serving(server)
	store.greet(options.Out, clientURL(options.PublicURL, listeners.main.Addr()))
	options.Logger.Info("serving", slices.Concat(
		[]any{"version", options.Version, "revision", options.Revision, "go", runtime.Version(), "addr", listeners.main.Addr().String(), "admin_addr", listeners.adminAddr()},
		store.attributes(),
		[]any{"durability", string(options.Durability), "transport", string(options.Transport)},
	)...)
	houseCtx, leave := context.WithCancel(ctx)
	var house sync.WaitGroup
	house.Go(func() { store.keepHouse(houseCtx) })
	house.Go(func() { telemetry.countKeys(houseCtx, store, options.Logger) })
	drained, err := serve(ctx, listeners, server, store, telemetry, options)
	leave()
	house.Wait()
	options.Logger.Info("stopped", "reason", stopReason(ctx), "drained", drained, "ran_for", time.Since(started).Round(time.Millisecond).String())
	return err
}

// stopReason says, for the log, why a server is about to end.
func stopReason(ctx context.Context) string {
	if err := context.Cause(ctx); err != nil {
		return err.Error()
	}
	return "a listener failed"
}

// serve answers requests until ctx ends or a listener fails, then drains. drained tells that
// no request was cut off.
func serve(ctx context.Context, listeners *listeners, server *kvconnect.Server, store store, telemetry telemetry, options Options) (drained bool, err error) {
	logger := options.Logger
	clients := newCarrier(options.Transport, server, logger)
	telemetry.ask(store.sources())
	carriers := []carrier{clients}
	failed := make(chan error, 2)
	go func() { failed <- clients.Serve(listeners.main) }()
	if listeners.admin != nil {
		var profiles http.Handler
		if options.Profiles {
			profiles = newProfiles()
		}
		admin := kvconnect.NewHTTPServer(store.adminHandler(telemetry.handler(server.HealthHandler(), logger), profiles), logger)
		carriers = append(carriers, admin)
		go func() { failed <- admin.Serve(listeners.admin) }()
	}

	var errs []error
	running := len(carriers)
	select {
	case <-ctx.Done():
		stats := connectionStats(listeners.gate, clients, server)
		logger.Info("draining", "reason", stopReason(ctx), "timeout", drainTimeout.String(), "connections", stats.Open,
			"http1", stats.Carried.HTTP1, "http2", stats.Carried.HTTP2, "accepted", stats.Accepted, "refused", stats.Refused,
			"stalled", stats.Stalled())
	case err := <-failed:
		errs = append(errs, fmt.Errorf("serve: %w", err))
		running--
	}
	server.Drain()
	drainCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	drained = true
	// The admin server goes last, to tell that the other one is draining.
	for _, carrier := range carriers {
		if err := carrier.Shutdown(drainCtx); err != nil {
			drained = false
			logger.Warn("requests were cut off", "error", err)
			errs = append(errs, carrier.Close())
		}
	}
	for range running {
		if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
			errs = append(errs, fmt.Errorf("serve: %w", err))
		}
	}
	return drained, errors.Join(errs...)
}
