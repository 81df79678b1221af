package kvconnect

import (
	"net/http"
	"sync"
	"time"
)

// writeBound is how long a reply of net/http may wait for its client to take it. It is safe for
// concurrent use.
type writeBound struct {
	control        *http.ResponseController
	hurriedTimeout time.Duration // what the client is given at a drain

	mu      sync.Mutex
	hurried bool // guarded by mu, and so is the deadline
}

// begin gives what is written from now on its time.
func (b *writeBound) begin(timeout time.Duration) (begun time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.hurried {
		timeout = min(timeout, b.hurriedTimeout)
	}
	begun = time.Now()
	b.set(begun.Add(timeout))
	return begun
}

// hurry bounds the write under way, and those that follow.
func (b *writeBound) hurry() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hurried = true
	b.set(time.Now().Add(b.hurriedTimeout))
}

func (b *writeBound) set(deadline time.Time) {
	// Both versions of HTTP can do it, but for the loop, which has bounds of its own.
	_ = b.control.SetWriteDeadline(deadline)
}

// openWrites are the bounds of the replies that a drain must not wait for. It is safe for
// concurrent use.
type openWrites struct {
	mu      sync.Mutex
	bounds  map[*writeBound]struct{} // guarded by mu
	hurried bool                     // guarded by mu
}

func (o *openWrites) add(b *writeBound) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bounds[b] = struct{}{}
	if o.hurried {
		b.hurry()
	}
}

// remove must be called before the handler returns: its reply may not be touched after that.
func (o *openWrites) remove(b *writeBound) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.bounds, b)
}

// hurry ends the replies whose clients do not read.
func (o *openWrites) hurry() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hurried = true
	for b := range o.bounds {
		b.hurry()
	}
}
