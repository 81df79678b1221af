package transport_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"golang.org/x/net/http2"
)

// slowPaths wait until they are released or given up, as a call and by net/http.
var slowPaths = map[string]string{"call": "/v2/slow", "net/http": "/idle"}

func onSlowPaths(t *testing.T, test func(t *testing.T, path string)) {
	for name, path := range slowPaths {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, path)
		})
	}
}

// The context of a request ends when the client gives it up, in whichever way.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	tests := map[string]func(c *client, stream uint32){
		"reset":          func(c *client, stream uint32) { c.must(c.WriteRSTStream(stream, http2.ErrCodeCancel)) },
		"stream error":   func(c *client, stream uint32) { c.must(c.WriteWindowUpdate(stream, 0)) },
		"disconnected":   func(c *client, _ uint32) { c.disconnect() },
		"protocol error": func(c *client, _ uint32) { c.must(c.WriteWindowUpdate(0, 0)) },
	}
	for name, giveUp := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onSlowPaths(t, func(t *testing.T, path string) {
				server := start(t)
				c := dial(t, server.address)
				stream := c.get(post(path)...)
				receive(t, "the request", server.calls.begun)
				giveUp(c, stream)
				if err := receive(t, "the end of the request", server.calls.ended); !errors.Is(err, context.Canceled) {
					t.Errorf("the context of the request: %v", err)
				}
			})
		})
	}
}

// disconnect has the connection reset, as that of a program that dies.
func (c *client) disconnect() {
	c.t.Helper()
	tcp, ok := c.conn.(*net.TCPConn)
	if !ok {
		c.t.Fatalf("a connection of type %T", c.conn)
	}
	c.must(tcp.SetLinger(0))
	c.must(tcp.Close())
}

// Nothing comes on a stream that was given up, and the others go on.
func TestOthersGoOnAfterAReset(t *testing.T) {
	t.Parallel()
	onSlowPaths(t, func(t *testing.T, path string) {
		server := start(t)
		c := dial(t, server.address)
		given, kept := c.get(post(path)...), c.get(post(path)...)
		receive(t, "a request", server.calls.begun)
		receive(t, "the other request", server.calls.begun)
		c.must(c.WriteRSTStream(given, http2.ErrCodeCancel))
		_ = receive(t, "the end of one", server.calls.ended)
		c.wantAlive()
		server.calls.release()
		c.wantReply(kept, "200", "")
		if r := c.at(given); r.status != "" || r.reset != nil {
			t.Errorf("on the stream that was given up: %v", r)
		}
	})
}

// A call that is given up before its body is whole is not served.
func TestResetDuringTheBody(t *testing.T) {
	t.Parallel()
	server := start(t)
	c := dial(t, server.address)
	for range 200 { // they take no place of others
		stream := c.open(post("/v2/slow")...)
		c.data(stream, false, "some")
		c.must(c.WriteRSTStream(stream, http2.ErrCodeCancel))
	}
	c.wantAlive()
	if n := server.calls.bodies.Load(); n != 1 { // the one of wantAlive
		t.Errorf("%d bodies were received, want 1", n)
	}
	if n := server.calls.mostRunning.Load(); n != 0 {
		t.Errorf("%d calls were served", n)
	}
}

// net/http's handler learns from reading that the body will not be whole.
func TestResetDuringTheBodyOfNetHTTP(t *testing.T) {
	t.Parallel()
	server := start(t)
	c := dial(t, server.address)
	stream := c.open(post("/stream")...)
	c.data(stream, false, "echo")
	c.until("the echo", func() bool { return string(c.at(stream).body) == "echo" })
	c.must(c.WriteRSTStream(stream, http2.ErrCodeCancel))
	c.wantAlive() // and nothing leaks, which TestMain sees
}

// A client that has closed its side of the connection still gets its replies, and then
// the end.
func TestHalfClosed(t *testing.T) {
	t.Parallel()
	for name, path := range echoPaths {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, start(t).address)
			stream := c.post(path, "the last words")
			c.closeWrite()
			c.silent = true
			c.wantReply(stream, "200", "the last words")
			c.wantClosed()
		})
	}
	onSlowPaths(t, func(t *testing.T, path string) {
		server := start(t)
		c := dial(t, server.address)
		c.sync()
		stream := c.get(post(path)...)
		receive(t, "the request", server.calls.begun)
		c.closeWrite()
		c.silent = true
		dial(t, server.address).wantAlive() // the server has had time to see it
		server.calls.release()
		c.wantReply(stream, "200", "")
		c.wantClosed()
	})
}

// A feed has no end that a half-closed connection could wait for.
func TestHalfClosedFeed(t *testing.T) {
	t.Parallel()
	onFeedKinds(t, func(t *testing.T, fields []string) {
		server := start(t)
		open := dial(t, server.address)
		r, feed := open.openFeed(server, fields...)
		early := dial(t, server.address)
		stream := early.get(post("/v2/feed", fields...)...)
		for _, c := range []*client{open, early} {
			c.sync()
			c.silent = true
			c.closeWrite()
			c.wantClosed()
		}
		receive(t, "Close", feed.closed)
		for _, r := range []*reply{r, early.at(stream)} {
			if !r.ended || string(r.body) != firstPiece {
				t.Errorf("the feed: %v: %s", r, r.body)
			}
		}
	})
}

// A reply that can never be sent whole does not keep a half-closed connection open: for want
// of a window for the stream or for the connection, before the client closes or after.
func TestHalfClosedWithoutAWindow(t *testing.T) {
	t.Parallel()
	onBigPaths(t, func(t *testing.T, server *running, path string) {
		for size, window := range map[string]uint32{"1000": 5, "100000": 1 << 20} {
			c := dialSilent(t, server, window)
			stream := c.post(path, size)
			want := min(int(window), defaultWindow)
			c.until("what the window lets through", func() bool { return len(c.at(stream).body) == want })
			c.closeWrite()
			c.wantClosed()

			c = dialSilent(t, server, window)
			stream = c.post(path, size)
			c.closeWrite()
			c.wantClosed()
			if got := len(c.at(stream).body); got != want {
				t.Errorf("%d bytes came, want %d", got, want)
			}
		}
	})
	t.Run("slow call", func(t *testing.T) {
		t.Parallel()
		server := start(t)
		c := dialSilent(t, server, 5)
		stream := c.post("/v2/slow", "longer than that")
		receive(t, "the call", server.calls.begun)
		c.closeWrite()
		dial(t, server.address).wantAlive() // the server has had time to see it
		server.calls.release()
		c.wantClosed()
		if got := string(c.at(stream).body); got != "longe" {
			t.Errorf("%q came", got)
		}
	})
}

// A call whose body never arrives whole because the connection is half-closed is refused
// or cut, and the connection ends.
func TestHalfClosedWithinABody(t *testing.T) {
	t.Parallel()
	server := start(t)
	for _, path := range echoPaths {
		c := dial(t, server.address)
		stream := c.open(post(path)...)
		c.data(stream, false, "and then")
		c.closeWrite()
		c.silent = true
		c.wantClosed()
		if r := c.at(stream); r.status == "200" {
			t.Errorf("%s: %v", path, r)
		}
	}
}

func (c *client) closeWrite() {
	c.t.Helper()
	half, ok := c.conn.(interface{ CloseWrite() error })
	if !ok {
		c.t.Fatalf("a connection of type %T", c.conn)
	}
	c.must(half.CloseWrite())
}
