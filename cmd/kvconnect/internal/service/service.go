// Package service runs a KV Connect server from start to drained stop: it opens
// the database, finds the credentials, listens, greets the user and serves until
// its context ends.
package service

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/kvconnect/kvconnect/kvconnect"
)

// Run serves until ctx ends, then drains. It returns nil after a clean stop.
func Run(ctx context.Context, options Options) error {
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
	served, drained, err := serveStore(ctx, options, store, telemetry)
	err = errors.Join(err, store.close())
	if served {
		options.Logger.Info("stopped", slices.Concat(
			[]any{"version", options.Version}, store.attributes(),
			[]any{"reason", stopReason(ctx), "drained", drained, "ran_for", time.Since(started).Round(time.Millisecond).String()},
		)...)
	}
	return err
}

// serveStore serves what is in a store until ctx ends. served tells that it came to that, and
// drained that no request was cut off in the end.
func serveStore(ctx context.Context, options Options, store store, telemetry telemetry) (served, drained bool, err error) {
	shown, challenges, err := openCertificates(options)
	if err != nil {
		return false, false, err
	}
	listeners, err := listen(ctx, options)
	if err != nil {
		return false, false, err
	}
	if err := checkProfiles(options, listeners); err != nil {
		return false, false, errors.Join(err, listeners.close())
	}
	if err := store.settle(listeners); err != nil {
		return false, false, errors.Join(err, listeners.close())
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
	store.greet(options.Out, clientURL(options.PublicURL, listeners.main.Addr(), shown))
	options.Logger.Info("serving", slices.Concat(
		[]any{"version", options.Version, "revision", options.Revision, "go", runtime.Version(), "addr", listeners.main.Addr().String(), "admin_addr", listeners.adminAddr()},
		store.attributes(),
		[]any{"durability", string(options.Durability), "transport", string(options.Transport), "tls", shown != nil},
	)...)
	supervisor{options.NotifySocket, options.Logger}.ready("serving " + listeners.main.Addr().String())
	houseCtx, leave := context.WithCancel(ctx)
	var house sync.WaitGroup
	house.Go(func() { store.keepHouse(houseCtx) })
	house.Go(func() { telemetry.countKeys(houseCtx, store, options.Logger) })
	if shown != nil {
		house.Go(func() { shown.Keep(houseCtx) })
	}
	s := &serving{
		options: options, store: store, listeners: listeners, server: server, telemetry: telemetry,
		certificates: shown, challenges: challenges,
	}
	drained, err = s.run(ctx)
	leave()
	house.Wait()
	return true, drained, err
}
