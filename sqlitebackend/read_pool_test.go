package sqlitebackend

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
)

// openPool gives a pool over a new file.
func openPool(t *testing.T, size int) *readPool {
	t.Helper()
	open := openerOfNewFile(t)
	pool, err := newReadPool(size, open, &expiryClock{clock: systemClock{}}, noObserver{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

// openerOfNewFile opens connections to the same new file.
func openerOfNewFile(t *testing.T) func() (*conn, error) {
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
	return func() (*conn, error) { return openConn(path, "ro") }
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
	if first == second {
		t.Fatal("the same connection was lent twice")
	}
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
	if len(p.idle) != p.opened || p.opened > size || len(p.waiting) != 0 {
		t.Errorf("%d connections of %d are idle and %d wait, want all of at most %d and none", len(p.idle), p.opened, len(p.waiting), size)
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

// fakeClock stands still until it is moved.
type fakeClock struct {
	systemClock
	now atomic.Int64 // since the Unix epoch, in milliseconds
}

func (c *fakeClock) Now() time.Time { return time.UnixMilli(c.now.Load()) }

// scarcePool opens connections only while it is let.
type scarcePool struct {
	*readPool
	clock fakeClock
	fail  atomic.Bool
	tries atomic.Int64
	hold  chan struct{} // if it is not nil, opening takes until it is closed
}

var errScarce = errors.New("too many open files")

func openScarcePool(t *testing.T, size int) *scarcePool {
	t.Helper()
	p := &scarcePool{}
	open := openerOfNewFile(t)
	pool, err := newReadPool(size, func() (*conn, error) {
		if p.tries.Add(1) > 1 && p.hold != nil {
			<-p.hold
		}
		if p.fail.Load() {
			return nil, errScarce
		}
		return open()
	}, &expiryClock{clock: &p.clock}, noObserver{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	p.readPool = pool
	return p
}

// taken is what take gave.
type taken struct {
	conn *conn
	err  error
}

func takeLater(t *testing.T, p *readPool) <-chan taken {
	t.Helper()
	result := make(chan taken, 1)
	go func() {
		c, err := p.take(t.Context())
		result <- taken{c, err}
	}()
	return result
}

func TestConnectionsAreOpenedWhenNeeded(t *testing.T) {
	t.Parallel()
	p := openScarcePool(t, 3)
	for range 5 {
		p.put(takeConn(t, p.readPool))
	}
	if n := p.tries.Load(); n != 1 {
		t.Errorf("%d connections for one reader", n)
	}
	var lent []*conn
	for i := range 3 {
		lent = append(lent, takeConn(t, p.readPool))
		if n := p.tries.Load(); n != int64(i)+1 {
			t.Errorf("%d connections for %d readers", n, i+1)
		}
	}
	fourth := takeLater(t, p.readPool)
	awaitWaiting(p.readPool, 1)
	for _, c := range lent {
		p.put(c)
	}
	got := <-fourth
	if got.err != nil || got.conn != lent[0] || p.tries.Load() != 3 {
		t.Errorf("the fourth reader: %v, with %d connections of 3", got.err, p.tries.Load())
	}
	p.put(got.conn)
	if err := p.close(); err != nil {
		t.Error(err)
	}
}

// A read waits for the connections there are if no other can be opened, and tries again
// some time later.
func TestConnectionThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	p := openScarcePool(t, 3)
	first := takeConn(t, p.readPool)
	p.fail.Store(true)
	second := takeLater(t, p.readPool)
	awaitWaiting(p.readPool, 1)
	third := takeLater(t, p.readPool)
	awaitWaiting(p.readPool, 2)
	if n := p.tries.Load(); n != 2 {
		t.Errorf("%d were tried to open, want 2: one that could be and one that could not", n)
	}
	p.put(first)
	if got := <-second; got.err != nil || got.conn != first {
		t.Fatalf("the second reader: %v", got.err)
	}
	p.put(first)
	if got := <-third; got.err != nil || got.conn != first {
		t.Fatalf("the third reader: %v", got.err)
	}
	p.fail.Store(false)
	p.clock.now.Add(reopenPause.Milliseconds() - 1)
	early := takeLater(t, p.readPool)
	awaitWaiting(p.readPool, 1)
	p.clock.now.Add(1)
	if late := takeConn(t, p.readPool); late == first {
		t.Error("the same connection was lent twice")
	} else {
		p.put(late)
	}
	p.put((<-early).conn)
	p.put(first)
	if err := p.close(); err != nil {
		t.Error(err)
	}
}

// What came back while a connection could not be opened is not missed.
func TestConnectionThatComesBackMeanwhile(t *testing.T) {
	t.Parallel()
	p := openScarcePool(t, 2)
	p.hold = make(chan struct{})
	p.fail.Store(true)
	first := takeConn(t, p.readPool)
	second := takeLater(t, p.readPool)
	for p.tries.Load() < 2 {
		runtime.Gosched()
	}
	p.put(first)
	close(p.hold)
	if got := <-second; got.err != nil || got.conn != first {
		t.Fatalf("the second reader: %v", got.err)
	}
	p.put(first)
	if err := p.close(); err != nil {
		t.Error(err)
	}
}

// Close waits for a connection that is being opened, and closes it.
func TestCloseWhileAConnectionIsOpened(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]bool{"that can be": false, "that cannot be": true} {
		for _, firstIsBack := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", first is back: ", firstIsBack), func(t *testing.T) {
				t.Parallel()
				p := openScarcePool(t, 2)
				p.hold = make(chan struct{})
				p.fail.Store(fail)
				first := takeConn(t, p.readPool)
				second := takeLater(t, p.readPool)
				for p.tries.Load() < 2 {
					runtime.Gosched()
				}
				if firstIsBack {
					p.put(first)
				}
				closed := make(chan error, 1)
				go func() { closed <- p.close() }()
				for isClosed := false; !isClosed; runtime.Gosched() {
					p.mu.Lock()
					isClosed = p.closed
					p.mu.Unlock()
				}
				select {
				case err := <-closed:
					t.Fatalf("close did not wait: %v", err)
				default:
				}
				close(p.hold)
				if got := <-second; !errors.Is(got.err, protocol.ErrClosed) {
					t.Errorf("take from a closed pool: %v", got.err)
				}
				if !firstIsBack {
					p.put(first)
				}
				if err := <-closed; err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// Many readers with a file system that fails now and then get what they ask for.
func TestManyReadersOfAScarcePool(t *testing.T) {
	t.Parallel()
	const size, readers, each = 3, 8, 200
	p := openScarcePool(t, size)
	var lent atomic.Int64
	var wait sync.WaitGroup
	for range readers {
		wait.Go(func() {
			for i := range each {
				p.fail.Store(i%3 > 0)
				p.clock.now.Add(100)
				c, err := p.take(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				if now := lent.Add(1); now > size {
					t.Errorf("%d were lent at once, at most %d may be", now, size)
				}
				runtime.Gosched()
				lent.Add(-1)
				p.put(c)
			}
		})
	}
	wait.Wait()
	if err := p.close(); err != nil {
		t.Error(err)
	}
}

// While no further connection can be opened, readers try each second, and the log is told once
// a minute.
func TestLogOfConnectionsThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	p := openScarcePool(t, 2)
	var log bytes.Buffer
	p.logger = slog.New(slog.NewTextHandler(&log, nil))
	p.fail.Store(true)
	for at := time.Duration(0); at <= troubleLogPause; at += reopenPause {
		held := takeConn(t, p.readPool)
		second := takeLater(t, p.readPool)
		awaitWaiting(p.readPool, 1)
		p.put(held)
		p.put((<-second).conn)
		p.clock.now.Add(reopenPause.Milliseconds())
	}
	if n := strings.Count(log.String(), "cannot be opened"); n != 2 {
		t.Errorf("%d lines, want 2:\n%s", n, &log)
	}
	if err := p.close(); err != nil {
		t.Error(err)
	}
}
