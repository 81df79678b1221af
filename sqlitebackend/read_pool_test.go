package sqlitebackend

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
)

// openPool gives a pool over a new file.
func openPool(t *testing.T, size int) *readPool {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kv.sqlite")
	c, err := openConn(path, "rwc", "journal_mode = wal")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.close(); err != nil {
			t.Error(err)
		}
	})
	pool, err := openReadPool(path, "ro", size, &expiryClock{clock: systemClock{}})
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

func takeConn(t *testing.T, p *readPool) *conn {
	t.Helper()
	c, err := p.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// awaitWaiting waits until n wait for a connection.
func awaitWaiting(p *readPool, n int) {
	for {
		p.mu.Lock()
		waiting := len(p.waiting)
		p.mu.Unlock()
		if waiting == n {
			return
		}
		runtime.Gosched()
	}
}

func TestConnectionThatCameBackLastGoesFirst(t *testing.T) {
	t.Parallel()
	p := openPool(t, 3)
	first, second := takeConn(t, p), takeConn(t, p)
	p.put(first)
	p.put(second)
	for range 3 {
		c := takeConn(t, p)
		if c != second {
			t.Error("another connection was given")
		}
		p.put(c)
	}
	if err := p.close(); err != nil {
		t.Error(err)
	}
}

func TestWhoWaitsFirstIsServedFirst(t *testing.T) {
	t.Parallel()
	p := openPool(t, 1)
	held := takeConn(t, p)
	const callers = 3
	served := make(chan int, callers)
	var wait sync.WaitGroup
	for i := range callers {
		wait.Go(func() {
			c, err := p.take(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			served <- i
			p.put(c)
		})
		awaitWaiting(p, i+1)
	}
	p.put(held)
	for want := range callers {
		if got := <-served; got != want {
			t.Errorf("%d was served, want %d", got, want)
		}
	}
	wait.Wait()
	if err := p.close(); err != nil {
		t.Error(err)
	}
}

// Whoever stops waiting, also when a connection is on its way, leaves none behind.
func TestGivingUpLosesNoConnection(t *testing.T) {
	t.Parallel()
	const size, callers, each = 2, 8, 300
	p := openPool(t, size)
	var wait sync.WaitGroup
	for caller := range callers {
		wait.Go(func() {
			for i := range each {
				ctx, giveUp := context.WithCancel(t.Context())
				if (caller+i)%2 == 0 {
					go giveUp()
				}
				c, err := p.take(ctx)
				if err == nil {
					runtime.Gosched()
					p.put(c)
				} else if !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				giveUp()
			}
		})
	}
	wait.Wait()
	if len(p.idle) != size || len(p.waiting) != 0 {
		t.Errorf("%d connections are idle and %d wait, want %d and none", len(p.idle), len(p.waiting), size)
	}
	if err := p.close(); err != nil {
		t.Error(err)
	}
}

func TestClosedPool(t *testing.T) {
	t.Parallel()
	p := openPool(t, 1)
	held := takeConn(t, p)
	results := make(chan error, 2)
	take := func() {
		_, err := p.take(t.Context())
		results <- err
	}
	go take()
	awaitWaiting(p, 1)
	closed := make(chan error, 1)
	go func() { closed <- p.close() }()
	awaitWaiting(p, 0)
	go take()
	for range 2 {
		if err := <-results; !errors.Is(err, protocol.ErrClosed) {
			t.Errorf("take from a closed pool: %v", err)
		}
	}
	select {
	case err := <-closed:
		t.Errorf("close did not wait for the connection that is lent out: %v", err)
	default:
	}
	p.put(held)
	if err := <-closed; err != nil {
		t.Error(err)
	}
}
