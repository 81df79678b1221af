package kvconnect

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
	"golang.org/x/time/rate"
)

const (
	// badTokenBurst is how many invalid access tokens of an address are answered at once;
	// of the others one in badTokenInterval is.
	badTokenBurst    = 10
	badTokenInterval = time.Second

	// maxBadTokenDelay bounds how long an answer is held back, and maxBadTokenWaits how
	// many are at a time: what comes beyond is answered at once, with a 429.
	maxBadTokenDelay = 5 * time.Second
	maxBadTokenWaits = 64

	// maxBadTokenAddrs bounds how many addresses are remembered, in each of two
	// generations.
	maxBadTokenAddrs = 4096

	badTokenLogInterval = time.Minute
)

// badTokens slows down who guesses access tokens. A token is checked before its address is
// looked at, so who has a valid one never waits, whatever others behind the same proxy do.
// It is safe for concurrent use.
type badTokens struct {
	now    func() time.Time
	logger *slog.Logger

	mu sync.Mutex
	// young and old are guarded by mu, and so is all in them. When the young generation is
	// full, it becomes the old one.
	young, old map[netip.Prefix]*badTokenAddr
	waiting    int // guarded by mu
}

// badTokenAddr is what is known of an address.
type badTokenAddr struct {
	answers  *rate.Limiter
	unlogged int
	loggedAt time.Time
}

func newBadTokens(now func() time.Time, logger *slog.Logger) *badTokens {
	return &badTokens{now: now, logger: logger, young: make(map[netip.Prefix]*badTokenAddr)}
}

// slowDown returns when the answer to an invalid token is due, and gives what it is: reason,
// or that it came too soon.
func (b *badTokens) slowDown(ctx context.Context, addr netip.Addr, reason error) error {
	delay, wait := b.admit(addr)
	if !wait {
		if delay > 0 {
			// Only the text of the reason: the status is that of too many requests.
			return newTooSoonError(fmt.Errorf("%w from this address: %s", protocol.ErrTooManyRequests, reason.Error()), delay)
		}
		return reason
	}
	defer b.release()
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return reason
	case <-ctx.Done():
		return ctx.Err()
	}
}

// admit counts an invalid token, and tells for how long its answer is to be held back. If
// wait is false, it is answered now, by a 429 if there is a delay.
func (b *badTokens) admit(addr netip.Addr) (delay time.Duration, wait bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	known := b.known(networkOf(addr))
	answer := known.answers.ReserveN(now, 1)
	delay = answer.DelayFrom(now)
	if delay == 0 {
		return 0, false
	}
	known.unlogged++
	if now.Sub(known.loggedAt) >= badTokenLogInterval {
		b.logger.Warn("invalid access tokens keep coming", "addr", addr.String(), "count", known.unlogged)
		known.unlogged, known.loggedAt = 0, now
	}
	if delay > maxBadTokenDelay || b.waiting == maxBadTokenWaits {
		answer.CancelAt(now)
		return delay, false
	}
	b.waiting++
	return delay, true
}

func (b *badTokens) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting--
}

// known gives what is known of a network. The caller holds mu.
func (b *badTokens) known(network netip.Prefix) *badTokenAddr {
	if known := b.young[network]; known != nil {
		return known
	}
	known := b.old[network]
	if known == nil {
		known = &badTokenAddr{answers: rate.NewLimiter(rate.Every(badTokenInterval), badTokenBurst)}
	}
	if len(b.young) == maxBadTokenAddrs {
		b.old, b.young = b.young, make(map[netip.Prefix]*badTokenAddr)
	}
	b.young[network] = known
	return known
}

// networkOf gives the addresses that one client may choose from: of IPv6 that is a network
// of 64 bits.
func networkOf(addr netip.Addr) netip.Prefix {
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	network, _ := addr.Prefix(bits) // fails for no address, which counts as one
	return network
}
