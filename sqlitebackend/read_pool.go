package sqlitebackend

import (
	"context"
	"errors"
	"sync"

	"github.com/kvconnect/kvconnect/protocol"
)

// readPool lends read connections. It is safe for concurrent use.
type readPool struct {
	clock *expiryClock
	size  int
	idle  chan *conn

	closed    chan struct{}
	closeOnce sync.Once
}

func openReadPool(path, mode string, size int, clock *expiryClock) (*readPool, error) {
	p := &readPool{clock: clock, size: size, idle: make(chan *conn, size), closed: make(chan struct{})}
	for range size {
		c, err := openConn(path, mode, busyTimeout, "query_only = true", "cache_size = -16384")
		if err != nil {
			p.size = len(p.idle)
			return nil, errors.Join(err, p.close())
		}
		p.idle <- c
	}
	return p, nil
}

// close waits for the connections lent out.
func (p *readPool) close() error {
	p.closeOnce.Do(func() { close(p.closed) })
	errs := make([]error, 0, p.size)
	for range p.size {
		errs = append(errs, (<-p.idle).close())
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
	select {
	case c := <-p.idle:
		return c, nil
	case <-p.closed:
		return nil, protocol.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *readPool) put(c *conn) { p.idle <- c }

// use lends a connection to f, and fails as take does.
func (p *readPool) use(ctx context.Context, f func(*conn) error) error {
	c, err := p.take(ctx)
	if err != nil {
		return err
	}
	defer p.put(c)
	return f(c)
}
