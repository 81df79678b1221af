package sqlitebackend

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/kvconnect/kvconnect/protocol"
)

// uncounted is the number of keys before they were counted for the first time.
const uncounted = -1

// keyCount counts the keys, and remembers how many there were. It uses a connection of its
// own, each time another: to look at all keys in the cache of one that reads would drive out
// what reads have put there. It is safe for concurrent use.
type keyCount struct {
	open func() (*conn, error)
	last atomic.Int64

	counting sync.Mutex // held while the keys are counted

	mu     sync.Mutex
	cancel context.CancelFunc // guarded by mu: ends the count under way; nil if there is none
	ended  chan struct{}      // guarded by mu: closed when it has ended; nil if there is none
	closed bool               // guarded by mu
}

func newKeyCount(open func() (*conn, error)) *keyCount {
	k := &keyCount{open: open}
	k.last.Store(uncounted)
	return k
}

// close ends a count under way, and waits for it.
func (k *keyCount) close() {
	k.mu.Lock()
	k.closed = true
	cancel, ended := k.cancel, k.ended
	k.mu.Unlock()
	if cancel != nil {
		cancel()
		<-ended
	}
}

// begin gives the context of a count, which close ends, and what must be called after it.
func (k *keyCount) begin(ctx context.Context) (_ context.Context, end func(), err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, nil, protocol.ErrClosed
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	k.cancel, k.ended = cancel, ended
	return ctx, func() {
		cancel()
		k.mu.Lock()
		defer k.mu.Unlock()
		k.cancel, k.ended = nil, nil
		close(ended)
	}, nil
}

func (k *keyCount) count(ctx context.Context) error {
	k.counting.Lock()
	defer k.counting.Unlock()
	counting, end, err := k.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	n, err := k.countOnce(counting)
	switch {
	case err == nil:
		k.last.Store(n)
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case counting.Err() != nil:
		return protocol.ErrClosed
	default:
		return err
	}
}

func (k *keyCount) countOnce(ctx context.Context) (n int64, err error) {
	c, err := k.open()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	columns, err := c.queryUntil(ctx, countKeys)
	if err != nil || len(columns) == 0 {
		return 0, err
	}
	n, _ = columns[0].(int64)
	return n, nil
}
