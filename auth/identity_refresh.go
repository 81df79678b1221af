package auth

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

const (
	// earlyRefreshInterval is the least time between two refreshes that tokens cause.
	earlyRefreshInterval = time.Minute

	// maxEarlyRefreshWait is how long a token waits for a refresh.
	maxEarlyRefreshWait = 3 * time.Second

	// maxRetryInterval is how long an outage may be over before that is noticed.
	maxRetryInterval = time.Minute
)

// identityKeys keeps the keys of an identity provider fresh. One goroutine reads them, so
// there is never more than one request at a time.
type identityKeys struct {
	source   keySource
	interval time.Duration
	now      func() time.Time
	logger   *slog.Logger

	current atomic.Pointer[keySet] // nil before keys were read for the first time
	failing bool                   // the last refresh failed; belongs to the goroutine

	stop    context.CancelFunc
	stopped chan struct{} // closed when the goroutine has ended
	early   chan struct{} // a refresh is wanted now; holds one

	mu       sync.Mutex
	limit    *rate.Limiter // of early refreshes, guarded by mu
	underWay chan struct{} // closed when the next refresh is done, nil if none is wanted; guarded by mu
}

// openIdentityKeys reads the keys and starts the goroutine, see OpenProvider.
func openIdentityKeys(ctx context.Context, source keySource, options ProviderOptions) (*identityKeys, error) {
	k := &identityKeys{
		source:   source,
		interval: options.RefreshInterval,
		now:      options.Now,
		logger:   options.Logger,
		stopped:  make(chan struct{}),
		early:    make(chan struct{}, 1),
		limit:    rate.NewLimiter(rate.Every(earlyRefreshInterval), 1),
	}
	err := k.refresh(ctx)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("read the keys of the identity provider: %w", ctx.Err())
	}
	if _, isFile := source.(fileKeySource); isFile && err != nil {
		return nil, fmt.Errorf("read the keys of the identity provider from %s: %w; save its JWK Set there, which most providers show at a URL that ends in jwks.json, certs or keys", source, err)
	}
	k.note(err)
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	k.stop = stop
	go k.run(background)
	return k, nil
}

// known gives the keys of the last refresh that worked. It does not wait.
func (k *identityKeys) known() *keySet { return k.current.Load() }

// refreshEarly has the keys read, and returns when that is done, or did not work, or takes
// too long, or if there was an early refresh in the last minute. All who call it meanwhile
// wait for the same one. It fails with the error of ctx.
func (k *identityKeys) refreshEarly(ctx context.Context) error {
	done := k.wantRefresh()
	if done == nil {
		return nil
	}
	timeout := time.NewTimer(maxEarlyRefreshWait)
	defer timeout.Stop()
	select {
	case <-done:
		return nil
	case <-k.stopped:
		return nil
	case <-timeout.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// wantRefresh gives a channel that is closed when the refresh under way is done, or one
// that it causes; nil if there is none and there may be none.
func (k *identityKeys) wantRefresh() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.underWay == nil {
		if !k.limit.AllowN(k.now(), 1) {
			return nil
		}
		k.underWay = make(chan struct{})
		k.early <- struct{}{} // empty, for it is filled and emptied together with underWay
	}
	return k.underWay
}

// run is the goroutine. It ends when ctx does.
func (k *identityKeys) run(ctx context.Context) {
	defer close(k.stopped)
	timer := time.NewTimer(k.pause())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-k.early:
		}
		done := k.begin()
		err := k.refresh(ctx)
		if ctx.Err() != nil {
			return
		}
		k.note(err)
		k.end(done)
		timer.Reset(k.pause())
	}
}

// begin makes whoever wants a refresh wait for the one that begins.
func (k *identityKeys) begin() chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	select {
	case <-k.early:
	default:
	}
	if k.underWay == nil {
		k.underWay = make(chan struct{})
	}
	return k.underWay
}

func (k *identityKeys) end(done chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	close(done)
	k.underWay = nil
}

// refresh reads the keys once. Those that are known stay if it fails.
func (k *identityKeys) refresh(ctx context.Context) error {
	data, err := k.source.read(ctx)
	if err != nil {
		return err
	}
	keys, err := parseKeySet(data)
	if err != nil {
		return err
	}
	k.current.Store(keys)
	return nil
}

// note logs the beginning and the end of an outage.
func (k *identityKeys) note(err error) {
	switch {
	case err != nil && !k.failing:
		k.logger.Warn("the keys of the identity provider cannot be read, those that are known stay in use",
			"jwks", k.source.String(), "known", k.known().len(), "error", err)
	case err == nil && k.failing:
		k.logger.Info("the keys of the identity provider can be read again",
			"jwks", k.source.String(), "known", k.known().len())
	}
	k.failing = err != nil
}

// pause gives the time until the next refresh.
func (k *identityKeys) pause() time.Duration {
	if k.failing {
		return min(k.interval, maxRetryInterval)
	}
	return k.interval
}

// close ends the goroutine and waits for it.
func (k *identityKeys) close() {
	k.stop()
	<-k.stopped
}
