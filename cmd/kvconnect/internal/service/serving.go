package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/metrics"
)

// drainTimeout is how long requests under way may take once the server stops. It
// stays below the 30 seconds after which service managers lose their patience.
const drainTimeout = 25 * time.Second

// serving is a server whose ports are there.
type serving struct {
	options      Options
	store        store
	listeners    *listeners
	server       *kvconnect.Server
	telemetry    telemetry
	certificates certificates // nil without TLS
	challenges   http.Handler // of certificate authorities; nil for none

	clients countingCarrier
}

// carried is a listener with what carries its requests.
type carried struct {
	carrier
	listener net.Listener
}

// run answers requests until ctx ends or a listener fails, then drains. drained tells that
// no request was cut off.
func (s *serving) run(ctx context.Context) (drained bool, err error) {
	all := s.carriers()
	s.telemetry.ask(s.sources())
	failed := make(chan error, len(all))
	for _, c := range all {
		go func() { failed <- c.Serve(c.listener) }()
	}
	var errs []error
	running := len(all)
	select {
	case <-ctx.Done():
		stats := s.connections()
		s.options.Logger.Info("draining", "reason", stopReason(ctx), "timeout", drainTimeout.String(), "connections", stats.Open,
			"http1", stats.Carried.HTTP1, "http2", stats.Carried.HTTP2, "accepted", stats.Accepted, "refused", stats.Refused,
			"stalled", stats.Stalled())
	case err := <-failed:
		errs = append(errs, fmt.Errorf("serve: %w", err))
		running--
	}
	drained, err = s.drain(ctx, all)
	errs = append(errs, err)
	for range running {
		if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
			errs = append(errs, fmt.Errorf("serve: %w", err))
		}
	}
	return drained, errors.Join(errs...)
}

// carriers gives what carries the requests of each listener: first those of clients, last
// those of operators.
func (s *serving) carriers() []carried {
	logger := s.options.Logger
	s.clients = newCarrier(s.options.Transport, s.server, logger)
	all := []carried{{s.clients, secured(s.listeners.main, s.certificates)}}
	if s.listeners.challenges != nil {
		all = append(all, carried{newChallengeServer(s.challenges, logger), s.listeners.challenges})
	}
	if s.listeners.admin != nil {
		var profiles http.Handler
		if s.options.Profiles {
			profiles = newProfiles()
		}
		handler := s.store.adminHandler(s.telemetry.handler(s.server.HealthHandler(), logger), profiles)
		all = append(all, carried{newAdminServer(handler, logger), s.listeners.admin})
	}
	return all
}

// drain has all requests under way answered. The carrier of operators goes last, to tell that
// the others are draining.
func (s *serving) drain(ctx context.Context, all []carried) (drained bool, err error) {
	supervisor{s.options.NotifySocket, s.options.Logger}.stopping("draining")
	s.server.Drain()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	var errs []error
	drained = true
	for _, c := range all {
		if err := c.Shutdown(ctx); err != nil {
			drained = false
			s.options.Logger.Warn("requests were cut off", "error", err)
			errs = append(errs, c.Close())
		}
	}
	return drained, errors.Join(errs...)
}

func (s *serving) connections() ConnectionStats {
	return connectionStats(s.listeners.gate, s.clients, s.server)
}

// sources gives what metrics ask.
func (s *serving) sources() metrics.Sources {
	sources := s.store.sources()
	sources.Connections = func() metrics.Connections {
		stats := s.connections()
		return metrics.Connections{
			Open: stats.Open, Max: stats.Max, Accepted: stats.Accepted, Refused: stats.Refused, Stalled: stats.Stalled(),
		}
	}
	if s.certificates != nil {
		sources.Certificate = s.certificates.NotAfter
	}
	return sources
}

// stopReason says, for the log, why a server is about to end.
func stopReason(ctx context.Context) string {
	if err := context.Cause(ctx); err != nil {
		return err.Error()
	}
	return "a listener failed"
}
