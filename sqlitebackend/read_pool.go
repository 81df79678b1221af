package sqlitebackend

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
)

// reopenPause is the pause after a connection could not be opened.
const reopenPause = time.Second

// readPool lends read connections, the one that came back last before others: each has
// a cache of its own, and the fewer are in use, the warmer they are. One is there from the
// start and others are opened when all are lent out. If another cannot be opened, no read
// fails: it waits for a connection that comes back. A connection stays open until the pool
// is closed. It is safe for concurrent use.
type readPool struct {
	clock    *expiryClock
	logger   *slog.Logger
	observer Observer
	size     int // the most connections that there may be
	open     func() (*conn, error)

	mu       sync.Mutex
	idle     []*conn      // guarded by mu
	opened   int          // guarded by mu: connections, idle, lent out or being opened
	waiting  []chan *conn // guarded by mu: who waits for a connection, in order; each has room for it
	reopenAt time.Time    // guarded by mu: when the next may be opened, after one could not be
	warnedAt time.Time    // guarded by mu: when the log was told of that
	closed   bool         // guarded by mu

	allIdle chan struct{} // closed once the pool is, and all connections are back
}

// newReadPool opens the first connection; close must be called in the end.
func newReadPool(size int, open func() (*conn, error), clock *expiryClock, observer Observer, logger *slog.Logger) (*readPool, error) {
	first, err := open()
	if err != nil {
		return nil, err
	}
	return &readPool{
		clock: clock, logger: logger, observer: observer, size: size, open: open,
		idle: []*conn{first}, opened: 1, allIdle: make(chan struct{}),
	}, nil
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
	errs := make([]error, 0, len(p.idle))
	for _, c := range p.idle {
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}

// signalAllIdle lets close go on if it may. p.mu must be held.
func (p *readPool) signalAllIdle() {
	if p.closed && len(p.idle) == p.opened {
		close(p.allIdle)
	}
}

// take gives a connection, for the caller to put back. It fails with
// protocol.ErrClosed or the error of ctx if there is none to be had.
func (p *readPool) take(ctx context.Context) (*conn, error) {
	p.mu.Lock()
	c, err := p.takeIdle()
	p.mu.Unlock()
	if c != nil || err != nil {
		return c, err
	}
	begun := time.Now() // only here, because most reads find a connection
	if c, err = p.takeBusy(ctx); err == nil {
		p.observer.ReadWaited(time.Since(begun))
	}
	return c, err
}

// takeIdle gives nil if no connection is idle. p.mu must be held.
func (p *readPool) takeIdle() (*conn, error) {
	if p.closed {
		return nil, protocol.ErrClosed
	}
	last := len(p.idle) - 1
	if last < 0 {
		return nil, nil
	}
	c := p.idle[last]
	p.idle = p.idle[:last]
	return c, nil
}

// takeBusy opens a connection, or waits for one that comes back.
func (p *readPool) takeBusy(ctx context.Context) (*conn, error) {
	p.mu.Lock()
	if c, err := p.takeIdle(); c != nil || err != nil {
		p.mu.Unlock()
		return c, err
	}
	if p.opened < p.size && !p.clock.clock.Now().Before(p.reopenAt) {
		p.opened++
		p.mu.Unlock()
		return p.takeAnother(ctx)
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

// takeAnother opens a connection that p.opened counts already.
func (p *readPool) takeAnother(ctx context.Context) (*conn, error) {
	c, err := p.open()
	p.mu.Lock()
	switch {
	case err != nil:
		p.opened--
		now := p.clock.clock.Now()
		p.reopenAt = now.Add(reopenPause)
		warn := p.warnedAt.IsZero() || now.Sub(p.warnedAt) >= troubleLogPause
		if warn {
			p.warnedAt = now
		}
		p.signalAllIdle()
		others := p.opened
		p.mu.Unlock()
		if warn {
			p.logger.Warn("a further read connection cannot be opened, reads wait for those there are", "open", others, "error", err)
		}
		return p.takeBusy(ctx)
	case p.closed:
		p.idle = append(p.idle, c)
		p.signalAllIdle()
		p.mu.Unlock()
		return nil, protocol.ErrClosed
	default:
		p.mu.Unlock()
		return c, nil
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
