package transport_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/transport"
)

// calls is a Handler with a call of each kind, for the paths
//
//	/v2/echo     replies the body; quick
//	/v2/patient  as echo, not quick
//	/v2/slow     waits until it is released or given up; not quick
//	/v2/stuck    as slow, and takes no notice of being given up
//	/v2/big      replies as many bytes as the body says, up to maxBigBytes; quick
//	/v2/feed     replies a feed
//	/v2/refused  is refused
//	/v2/hello    replies a greeting; quick
//	/v2/greet    as hello, not quick
type calls struct {
	t            testing.TB
	maxBodyBytes int64
	silence      time.Duration // of feeds, until they send keepAlive

	released    chan struct{}
	releaseOnce sync.Once
	begun       chan struct{} // takes one for each slow call
	ended       chan error    // takes the ctx.Err of each slow call
	feeds       chan *feed    // takes each new feed
	running     atomic.Int64  // slow and stuck calls
	mostRunning atomic.Int64  // at once
	bodies      atomic.Int64  // Receives
}

const (
	maxBigBytes = 16 << 20
	keepAlive   = "|"
)

// big is what the replies of /v2/big are cut from.
var big = make([]byte, maxBigBytes)

func newCalls(t testing.TB) *calls {
	const waiting = 1 << 10 // more than a test looks at
	return &calls{
		t: t, maxBodyBytes: 1 << 20, silence: time.Hour,
		released: make(chan struct{}), begun: make(chan struct{}, waiting), ended: make(chan error, waiting),
		feeds: make(chan *feed, waiting),
	}
}

// release ends all slow and stuck calls, those to come too.
func (c *calls) release() { c.releaseOnce.Do(func() { close(c.released) }) }

var (
	okHead      = &transport.Head{Status: 200, Fields: []transport.Field{{Name: "Content-Type", Value: "text/echo"}}}
	refusedHead = &transport.Head{Status: 401, Fields: []transport.Field{{Name: "WWW-Authenticate", Value: "Bearer"}}}
	badHead     = &transport.Head{Status: 400}
	goneHead    = &transport.Head{Status: 503}
)

func (c *calls) Admit(request transport.Request) (transport.Call, *transport.Reply) {
	call := &call{calls: c, field: transport.Field{Name: "x-of-one", Value: request.Header.Get("X-Of-One")}}
	if call.field.Value == "" {
		call.field = transport.Field{}
	}
	switch request.Path {
	case "/v2/hello":
		call.quick, call.serve = true, call.hello
	case "/v2/greet":
		call.serve = call.hello
	case "/v2/echo":
		call.quick, call.serve = true, call.echo
	case "/v2/patient":
		call.serve = call.echo
	case "/v2/slow":
		call.serve = call.slow
	case "/v2/stuck":
		call.serve = call.stuck
	case "/v2/big":
		call.quick, call.serve = true, call.big
	case "/v2/feed":
		call.serve, call.quick = call.feed, request.Header.Get("X-Quick") != ""
	case "/v2/refused":
		return nil, &transport.Reply{Head: refusedHead, Body: []byte("refused " + request.Header.Get("x-reason"))}
	default:
		return nil, nil
	}
	return call, nil
}

// call is a Call. It fails the test if the server does not keep to the order of its
// methods.
type call struct {
	*calls
	quick    bool
	field    transport.Field // what the client asks for
	body     []byte
	received bool
	over     atomic.Bool // Refuse or Serve was called
	serve    func(context.Context, transport.Waker) transport.Reply
}

func (c *call) MaxBodyBytes() int64 { return c.maxBodyBytes }

func (c *call) Refuse(err error) transport.Reply {
	if c.received || c.over.Swap(true) {
		c.t.Error("Refuse was called after Receive or twice")
	}
	switch {
	case errors.Is(err, transport.ErrBodyTooLarge), errors.Is(err, transport.ErrBodyTimeout), errors.Is(err, transport.ErrBodyIncomplete):
		return transport.Reply{Head: badHead, Body: []byte(err.Error())}
	default:
		c.t.Errorf("Refuse was called with %v", err)
		return transport.Reply{Head: badHead}
	}
}

func (c *call) Receive(body []byte) bool {
	if c.received || c.over.Load() {
		c.t.Error("Receive was called after Refuse or twice")
	}
	if int64(len(body)) > c.maxBodyBytes {
		c.t.Errorf("Receive was given %d bytes of at most %d", len(body), c.maxBodyBytes)
	}
	c.received, c.body = true, body
	c.bodies.Add(1)
	return c.quick
}

func (c *call) Serve(ctx context.Context, waker transport.Waker) transport.Reply {
	if !c.received || c.over.Swap(true) {
		c.t.Error("Serve was called before Receive or twice")
	}
	return c.serve(ctx, waker)
}

func (c *call) echo(context.Context, transport.Waker) transport.Reply {
	return transport.Reply{Head: okHead, Body: c.body}
}

const greeting = "hello, world"

func (c *call) hello(context.Context, transport.Waker) transport.Reply {
	return transport.Reply{Head: okHead, Field: c.field, Body: []byte(greeting)}
}

func (c *call) big(context.Context, transport.Waker) transport.Reply {
	n, err := strconv.Atoi(string(c.body))
	if err != nil || n > maxBigBytes {
		return transport.Reply{Head: badHead}
	}
	return transport.Reply{Head: okHead, Body: big[:n]}
}

func (c *call) slow(ctx context.Context, _ transport.Waker) transport.Reply {
	return c.wait(ctx)
}

func (c *call) stuck(ctx context.Context, _ transport.Waker) transport.Reply {
	return c.wait(context.WithoutCancel(ctx))
}

func (c *call) wait(ctx context.Context) transport.Reply {
	running := c.running.Add(1)
	defer c.running.Add(-1)
	for most := c.mostRunning.Load(); running > most && !c.mostRunning.CompareAndSwap(most, running); {
		most = c.mostRunning.Load()
	}
	notify(c.begun, struct{}{})
	defer func() { notify(c.ended, ctx.Err()) }()
	select {
	case <-c.released:
		return transport.Reply{Head: okHead, Body: c.body}
	case <-ctx.Done():
		return transport.Reply{Head: goneHead}
	}
}

// notify drops what a test has no use for.
func notify[E any](channel chan<- E, event E) {
	select {
	case channel <- event:
	default:
	}
}

// receive waits for an event.
func receive[E any](t testing.TB, what string, channel <-chan E) (event E) {
	t.Helper()
	select {
	case event = <-channel:
	case <-time.After(patience):
		t.Fatalf("wait in vain for %s", what)
	}
	return event
}
