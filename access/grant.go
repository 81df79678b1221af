package access

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/protocol"
)

// Grant is what one access token gives in one database. All who come with the token share
// it. Its fields do not change; its methods are safe for concurrent use.
type Grant struct {
	// TokenID names the access token, and tells nothing of it.
	TokenID    string
	DatabaseID uuid.UUID
	Scope      Scope
	// ExpiresAt is when the access token stops being valid; the zero time for never.
	ExpiresAt time.Time
	// Token and Database meter what the bearers of the token use, and what the database
	// does; nil for one without limits.
	Token, Database *Meter

	lastUsedMs atomic.Int64
	revoked    atomic.Bool

	mu       sync.Mutex
	onRevoke map[*func()]struct{} // guarded by mu
}

// Err tells whether the grant is still valid: if not, it gives protocol.ErrTokenRevoked or
// protocol.ErrTokenExpired.
func (g *Grant) Err(now time.Time) error {
	switch {
	case g.revoked.Load():
		return protocol.ErrTokenRevoked
	case !g.ExpiresAt.IsZero() && !now.Before(g.ExpiresAt):
		return protocol.ErrTokenExpired
	default:
		return nil
	}
}

// Revoke ends the grant for good and for everybody.
func (g *Grant) Revoke() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.revoked.Swap(true) {
		return
	}
	for f := range g.onRevoke {
		(*f)()
	}
	g.onRevoke = nil
}

// OnRevoke has f called when the grant is revoked, at once if it is already. f must not
// wait, and not call the grant. After stop has returned, f is not called any more.
func (g *Grant) OnRevoke(f func()) (stop func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.revoked.Load() {
		f()
		return func() {}
	}
	if g.onRevoke == nil {
		g.onRevoke = make(map[*func()]struct{})
	}
	g.onRevoke[&f] = struct{}{}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.onRevoke, &f)
	}
}

// lastUsedStep is how exact the time of the last use is. It keeps programs that share a
// token from writing to the same memory with each request.
const lastUsedStep = time.Second

// Use notes that the token was used.
func (g *Grant) Use(now time.Time) {
	nowMs, last := now.UnixMilli(), g.lastUsedMs.Load()
	if nowMs-last >= lastUsedStep.Milliseconds() {
		g.lastUsedMs.Store(nowMs)
	}
}

// LastUsed is when the token was used last, to the second; the zero time for never.
func (g *Grant) LastUsed() time.Time {
	ms := g.lastUsedMs.Load()
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
