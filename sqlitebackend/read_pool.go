package sqlitebackend

import (
	"context"
	"errors"
	"sync"

	"github.com/kvconnect/kvconnect/protocol"
)

// readPool lends read connections, the one that came back last before others: each has
// a cache of its own, and the fewer are in use, the warmer they are. It is safe for
// concurrent use.
type readPool struct {
	clock *expiryClock
	size  int
	free  chan struct{} // has a token for each idle connection

	mu   sync.Mutex
	idle []*conn // guarded by mu

	closed    chan struct{}
	closeOnce sync.Once
}

func openReadPool(path, mode string, size int, clock *expiryClock) (*readPool, error) {
	p := &readPool{clock: clock, size: size, free: make(chan struct{}, size), closed: make(chan struct{})}
	for range size {
		c, err := openConn(path, mode, busyTimeout, "query_only = true", "cache_size = -16384")
		if err != nil {
			p.size = len(p.idle)
			return nil, errors.Join(err, p.close())
		}
		p.put(c)
	}
	return p, nil
}

// close waits for the connections lent out.
func (p *readPool) close() error {
	p.closeOnce.Do(func() { close(p.closed) })
	errs := make([]error, 0, p.size)
	for range p.size {
		<-p.free
		errs = append(errs, p.pop().close())
	}
	return errors.Join(errs...)
}

// take gives a connection, for the caller to put back. It fails with
// protocol.ErrClosed or the error of ctx if there is none to be had.
func (p *readPool) take(ctx context.Context) (*conn, error) {
	select {
	case <-p.closed:
		return nil, protocol.ErrClosed
	default:
	}
	select { // which costs a quarter of the one with three cases
	case <-p.free:
		return p.pop(), nil
	default:
	}
	select {
	case <-p.free:
		return p.pop(), nil
	case <-p.closed:
		return nil, protocol.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *readPool) put(c *conn) {
	p.mu.Lock()
	p.idle = append(p.idle, c)
	p.mu.Unlock()
	p.free <- struct{}{}
}

// pop gives the connection that a token stands for.
func (p *readPool) pop() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.idle) - 1
	c := p.idle[last]
	p.idle = p.idle[:last]
	return c
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
