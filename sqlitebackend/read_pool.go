package sqlitebackend

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/kvconnect/kvconnect/protocol"
)

// readPool lends read connections, the one that came back last before others: each has
// a cache of its own, and the fewer are in use, the warmer they are. It is safe for
// concurrent use.
type readPool struct {
	clock *expiryClock
	size  int

	mu      sync.Mutex
	idle    []*conn      // guarded by mu
	waiting []chan *conn // guarded by mu: who waits for a connection, in order; each has room for it
	closed  bool         // guarded by mu

	allIdle chan struct{} // closed once the pool is, and all connections are back
}

func openReadPool(path, mode string, size int, clock *expiryClock) (*readPool, error) {
	p := &readPool{clock: clock, allIdle: make(chan struct{})}
	for range size {
		c, err := openConn(path, mode, busyTimeout, "query_only = true", "cache_size = -16384")
		if err != nil {
			return nil, errors.Join(err, p.close())
		}
		p.idle = append(p.idle, c)
		p.size++
	}
	return p, nil
}

// close waits for the connections lent out. It must be called once.
func (p *readPool) close() error {
	p.mu.Lock()
	p.closed = true
	for _, connection := range p.waiting {
		close(connection)
	}
	p.waiting = nil
	p.signalAllIdle()
	p.mu.Unlock()
	<-p.allIdle
	errs := make([]error, 0, p.size)
	for _, c := range p.idle {
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}

// signalAllIdle lets close go on if it may. p.mu must be held.
func (p *readPool) signalAllIdle() {
	if p.closed && len(p.idle) == p.size {
		close(p.allIdle)
	}
}

// take gives a connection, for the caller to put back. It fails with
// protocol.ErrClosed or the error of ctx if there is none to be had.
func (p *readPool) take(ctx context.Context) (*conn, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, protocol.ErrClosed
	}
	if last := len(p.idle) - 1; last >= 0 {
		c := p.idle[last]
		p.idle = p.idle[:last]
		p.mu.Unlock()
		return c, nil
	}
	connection := make(chan *conn, 1)
	p.waiting = append(p.waiting, connection)
	p.mu.Unlock()
	select {
	case c, lent := <-connection:
		if !lent {
			return nil, protocol.ErrClosed
		}
		return c, nil
	case <-ctx.Done():
		p.giveUp(connection)
		return nil, ctx.Err()
	}
}

// giveUp takes who does not wait any longer out of the line, and puts back what came
// meanwhile.
func (p *readPool) giveUp(connection chan *conn) {
	p.mu.Lock()
	i := slices.Index(p.waiting, connection)
	if i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	}
	p.mu.Unlock()
	if i >= 0 {
		return
	}
	if c, lent := <-connection; lent {
		p.put(c)
	}
}

// put gives a connection to the first who waits, or keeps it.
func (p *readPool) put(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) > 0 {
		p.waiting[0] <- c
		p.waiting = slices.Delete(p.waiting, 0, 1)
		return
	}
	p.idle = append(p.idle, c)
	p.signalAllIdle()
}

// use lends a connection to f, and fails as take does.
func (p *readPool) use(ctx context.Context, f func(*conn) error) error {
	c, err := p.take(ctx)
	if err != nil {
		return err
	}
	defer p.put(c)
	return f(c)
}
