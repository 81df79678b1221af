package transport

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"
)

// stressHandler admits calls by their path: quick, slow, feed; it refuses the path
// refused, and leaves the rest to net/http. A reply is as long as the field x-size says.
type stressHandler struct {
	admit func(path string)      // called by Admit
	slow  func(context.Context)  // called by Serve of a slow call
	feeds sync.Map               // of *stressFeed
	bytes func(size int) []byte  // the body of a reply
	next  func() ([]byte, error) // of all feeds
}

func newStressHandler() *stressHandler {
	return &stressHandler{
		admit: func(string) {}, slow: func(context.Context) {},
		bytes: func(size int) []byte { return make([]byte, size) },
		next:  func() ([]byte, error) { return []byte("news"), nil },
	}
}

var stressHead = &Head{Status: http.StatusOK, Fields: []Field{{"Content-Type", "text/plain"}}}

func (h *stressHandler) Admit(request Request) (Call, *Reply) {
	h.admit(request.Path)
	size, _ := strconv.Atoi(request.Header.Get("x-size"))
	switch request.Path {
	case "/quick", "/slow", "/feed":
		return &stressCall{handler: h, path: request.Path, size: size}, nil
	case "/refused":
		return nil, &Reply{Head: &Head{Status: http.StatusUnauthorized}, Body: []byte("who are you")}
	}
	return nil, nil
}

type stressCall struct {
	handler *stressHandler
	path    string
	size    int
}

func (*stressCall) MaxBodyBytes() int64    { return 1 << 20 }
func (c *stressCall) Receive([]byte) bool  { return c.path != "/slow" }
func (*stressCall) Refuse(err error) Reply { return Reply{Head: stressHead, Body: []byte(err.Error())} }

func (c *stressCall) Serve(ctx context.Context, waker Waker) Reply {
	if c.path == "/slow" {
		c.handler.slow(ctx)
	}
	reply := Reply{Head: stressHead, Body: c.handler.bytes(c.size)}
	if c.path == "/feed" {
		feed := &stressFeed{handler: c.handler, waker: waker}
		c.handler.feeds.Store(feed, nil)
		reply.Feed = feed
	}
	return reply
}

// stressFeed tells of misuse by a panic, which no test survives.
type stressFeed struct {
	handler *stressHandler
	waker   Waker

	mu     sync.Mutex
	inNext bool
	closed bool
}

func (f *stressFeed) Next(context.Context) ([]byte, error) {
	f.mu.Lock()
	if f.closed || f.inNext {
		panic("Next of a feed that is closed or asked")
	}
	f.inNext = true
	f.mu.Unlock()
	piece, err := f.handler.next()
	f.mu.Lock()
	f.inNext = false
	f.mu.Unlock()
	return piece, err
}

func (*stressFeed) KeepAlive() ([]byte, time.Duration) { return []byte("alive"), time.Second }

func (f *stressFeed) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || f.inNext {
		panic("a feed closed twice, or while it is asked")
	}
	f.closed = true
	f.handler.feeds.Delete(f)
}

func (h *stressHandler) wakeAll() {
	h.feeds.Range(func(feed, _ any) bool {
		feed.(*stressFeed).waker.Wake() //nolint:forcetypeassert // all are
		return true
	})
}

func (h *stressHandler) countFeeds() (n int) {
	h.feeds.Range(func(any, any) bool { n++; return true })
	return n
}

// stressServer starts a server, and gives its address. It is closed with the test.
func stressServer(t *testing.T, handler Handler, configure func(*http.Server, *Options)) (*Server, string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{
		ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			size, _ := strconv.Atoi(r.Header.Get("x-size"))
			_, _ = w.Write(make([]byte, size)) // the client may be gone
			_, _ = io.Copy(w, r.Body)
		}),
	}
	var options Options
	if configure != nil {
		configure(web, &options)
	}
	server := New(web, handler, options)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return server, listener.Addr().String()
}

// stressConn gives the only connection that a server has.
func stressConn(t *testing.T, s *Server) *conn {
	t.Helper()
	for deadline := time.Now().Add(stressPatience); time.Now().Before(deadline); stressPause() {
		s.mu.Lock()
		for c := range s.conns {
			s.mu.Unlock()
			return c
		}
		s.mu.Unlock()
	}
	t.Fatal("there is no connection")
	return nil
}

// stressPatience is how long a test waits for what must happen.
const stressPatience = 60 * time.Second

func stressPause() { <-time.After(time.Millisecond) }

// stressEventually waits until something is so.
func stressEventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(stressPatience); !is(); stressPause() {
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %s", what)
		}
	}
}
