package kvconnect

import (
	"sync"
	"time"

	"github.com/kvconnect/kvconnect/access"
)

// openFeeds are the feeds of all watches, by the grant that they were opened with: a drain
// and DistrustTokens end all of them, a grant that is not valid any more those of its own. It
// is safe for concurrent use.
type openFeeds struct {
	now func() time.Time

	mu     sync.Mutex
	grants map[*access.Grant]*grantFeeds // guarded by mu
}

// grantFeeds are the feeds of one grant, of which there is at least one, as a list. It is
// guarded by the mutex of openFeeds, and so are the links.
type grantFeeds struct {
	first  *watchFeed
	unhook func() // nil until add of the first one has returned
}

func (o *openFeeds) add(f *watchFeed) {
	o.mu.Lock()
	feeds, known := o.grants[f.grant]
	if !known {
		feeds = new(grantFeeds)
		o.grants[f.grant] = feeds
	}
	f.next = feeds.first
	if f.next != nil {
		f.next.previous = f
	}
	feeds.first = f
	o.mu.Unlock()
	if known {
		return
	}
	// Not with the mutex held: a grant that ends comes from the other side. The feeds stay
	// meanwhile, because f is one of them.
	unhook := o.hook(f.grant)
	o.mu.Lock()
	defer o.mu.Unlock()
	feeds.unhook = unhook
}

func (o *openFeeds) remove(f *watchFeed) {
	var unhook func()
	o.mu.Lock()
	feeds := o.grants[f.grant]
	if f.next != nil {
		f.next.previous = f.previous
	}
	if f.previous != nil {
		f.previous.next = f.next
	} else {
		feeds.first = f.next
	}
	f.previous, f.next = nil, nil
	if feeds.first == nil {
		delete(o.grants, f.grant)
		unhook = feeds.unhook
	}
	o.mu.Unlock()
	if unhook != nil {
		unhook()
	}
}

// hook has the feeds of a grant woken when it is revoked or expires.
func (o *openFeeds) hook(grant *access.Grant) (unhook func()) {
	stopRevoke := grant.OnRevoke(func() { o.wake(grant) })
	if grant.ExpiresAt.IsZero() {
		return stopRevoke
	}
	var mu sync.Mutex // guards timer and stopped
	var timer *time.Timer
	var stopped bool
	var await func()
	await = func() {
		mu.Lock()
		defer mu.Unlock()
		if stopped {
			return
		}
		left := grant.ExpiresAt.Sub(o.now())
		if left <= 0 {
			o.wake(grant)
			return
		}
		// Not for long: what a timer measures is not what the clock shows, if that is set.
		timer = time.AfterFunc(min(left, time.Minute), await)
	}
	await()
	return func() {
		stopRevoke()
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		if timer != nil {
			timer.Stop()
		}
	}
}

// wake has the Next of the feeds of a grant called.
func (o *openFeeds) wake(grant *access.Grant) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if feeds := o.grants[grant]; feeds != nil {
		feeds.wake()
	}
}

// wakeAll has the Next of all feeds called.
func (o *openFeeds) wakeAll() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, feeds := range o.grants {
		feeds.wake()
	}
}

func (g *grantFeeds) wake() {
	for f := g.first; f != nil; f = f.next {
		f.waker.Wake()
	}
}
