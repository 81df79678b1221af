package transport_test

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/kvconnect/kvconnect/transport"
)

// feed is a Feed that a test pushes to. It fails the test if the server calls Next while
// Next or Close runs, or after Close.
type feed struct {
	*calls
	waker  transport.Waker
	closed chan struct{} // closed by Close

	mu     sync.Mutex
	newest []byte     // guarded by mu; nil for no news
	end    bool       // guarded by mu
	nexts  int        // guarded by mu
	inCall sync.Mutex // held by a method that runs
	think  sync.Mutex // keeps Next waiting
	clash  sync.Once  // tells of methods that ran at once
}

// firstPiece is the one that a feed begins with.
const firstPiece = "first;"

func (c *call) feed(_ context.Context, waker transport.Waker) transport.Reply {
	f := &feed{calls: c.calls, waker: waker, closed: make(chan struct{})}
	waker.Wake() // before there is a reply, as news may come at any time
	notify(c.feeds, f)
	return transport.Reply{Head: okHead, Field: c.field, Body: []byte(firstPiece), Feed: f}
}

// push makes a piece the newest, which replaces one that was not asked for yet.
func (f *feed) push(piece string) {
	f.mu.Lock()
	f.newest = []byte(piece)
	f.mu.Unlock()
	f.waker.Wake()
}

// finish ends the feed in order.
func (f *feed) finish() {
	f.mu.Lock()
	f.end = true
	f.mu.Unlock()
	f.waker.Wake()
}

// asked gives how often Next was called.
func (f *feed) asked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.nexts
}

func (f *feed) Next(context.Context) ([]byte, error) {
	leave := f.alone("Next")
	defer leave()
	f.think.Lock()
	defer f.think.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nexts++
	piece := f.newest
	f.newest = nil
	if piece == nil && f.end {
		return nil, io.EOF
	}
	return piece, nil
}

func (f *feed) KeepAlive() ([]byte, time.Duration) {
	return []byte(keepAlive), f.silence
}

func (f *feed) Close() {
	leave := f.alone("Close")
	defer leave()
	close(f.closed) // a panic if it is the second time
}

// alone makes sure that no method runs at the same time, or after Close.
func (f *feed) alone(method string) (leave func()) {
	if !f.inCall.TryLock() {
		f.clash.Do(func() { f.t.Errorf("%s was called while another method ran", method) })
		return func() {}
	}
	select {
	case <-f.closed:
		f.t.Errorf("%s was called after Close", method)
	default:
	}
	return f.inCall.Unlock
}
