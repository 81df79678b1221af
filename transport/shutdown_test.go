package transport_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// shutdown begins a Shutdown and gives its result.
func (s *running) shutdown(t *testing.T) <-chan error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	t.Cleanup(cancel)
	result := make(chan error, 1)
	go func() { result <- s.Shutdown(ctx) }()
	return result
}

// wantLastStream waits to be told which stream was the last to be served.
func (c *client) wantLastStream() uint32 {
	c.t.Helper()
	const any31Bits = 1<<31 - 1
	told := func() bool { return len(c.goAways) > 0 && c.goAways[len(c.goAways)-1].last < any31Bits }
	c.until("the last GOAWAY", told)
	last := c.goAways[len(c.goAways)-1]
	if last.code != http2.ErrCodeNo {
		c.t.Fatalf("GOAWAY with %v", last.code)
	}
	return last.last
}

func TestShutdownAnswersWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	onSlowPaths(t, func(t *testing.T, path string) {
		server := start(t)
		c := dial(t, server.address)
		stream := c.get(post(path)...)
		receive(t, "the request", server.calls.begun)
		upload := c.open(post("/v2/echo")...)
		c.sync()

		result := server.shutdown(t)
		if last := c.wantLastStream(); last != upload {
			t.Errorf("the last stream is %d, want %d", last, upload)
		}
		late := c.post("/v2/echo", "too late")
		c.data(upload, true, "in time")
		c.wantReply(upload, "200", "in time")
		server.calls.release()
		c.wantReply(stream, "200", "")
		c.wantClosed()
		if r := c.at(late); r.status != "" || r.reset != nil && *r.reset != http2.ErrCodeRefusedStream {
			t.Errorf("the stream after the last one: %v", r)
		}
		if err := receive(t, "Shutdown", result); err != nil {
			t.Error(err)
		}
	})
}

// A request that was sent before its client knew of the end is served.
func TestShutdownServesWhatCrossesIt(t *testing.T) {
	t.Parallel()
	server := start(t)
	c := dial(t, server.address)
	c.wantAlive()
	c.silent = true // does not answer the server's ping yet
	result := server.shutdown(t)
	c.until("GOAWAY", func() bool { return len(c.goAways) > 0 })
	if c.goAways[0].last == 1<<31-1 { // or it was told at once
		c.wantReply(c.post("/v2/echo", "crossing"), "200", "crossing")
	}
	c.silent = false
	if c.pings > 0 {
		c.must(c.WritePing(true, c.lastPing))
	}
	c.wantLastStream()
	c.wantClosed()
	if err := receive(t, "Shutdown", result); err != nil {
		t.Error(err)
	}
}

func TestShutdownEndsIdleConnections(t *testing.T) {
	t.Parallel()
	server := start(t)
	used, unused, silent := dial(t, server.address), dial(t, server.address), dialTCP(t, server.address)
	used.wantAlive()
	unused.sync()
	deaf := dial(t, server.address)
	deaf.wantAlive() // and then reads nothing
	result := server.shutdown(t)
	for _, c := range []*client{used, unused} {
		c.wantLastStream()
		c.wantClosed()
	}
	if _, err := io.ReadAll(silent); err != nil && !isClosed(err) {
		t.Error(err)
	}
	if err := receive(t, "Shutdown", result); err != nil {
		t.Error(err)
	}
	if conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.address); err == nil {
		t.Error("the server still accepts connections")
		_ = conn.Close()
	}
}

func TestShutdownEndsFeeds(t *testing.T) {
	t.Parallel()
	onFeedKinds(t, func(t *testing.T, fields []string) {
		server := start(t)
		c := dial(t, server.address)
		r, feed := c.openFeed(server, fields...)
		other, otherFeed := c.openFeed(server, fields...)
		feed.push("news")
		c.until("news", func() bool { return string(r.body) == firstPiece+"news" })
		result := server.shutdown(t)
		for _, r := range []*reply{r, other} {
			c.until("the end of a feed", func() bool { return r.ended || r.reset != nil })
			if !r.ended {
				t.Errorf("a feed: %v", r)
			}
		}
		receive(t, "Close", feed.closed)
		receive(t, "Close of the other", otherFeed.closed)
		c.wantClosed()
		if err := receive(t, "Shutdown", result); err != nil {
			t.Error(err)
		}
	})
}

// Clients that do not read do not hold up the end: neither one that grants no window, nor
// one that takes nothing off its connection.
func TestShutdownWithStalledFeeds(t *testing.T) {
	t.Parallel()
	server := start(t, func(s *setup) { s.options.WriteTimeout = time.Hour })
	noWindow := dialSilent(t, server, 3)
	noWindow.get(post("/v2/feed")...)
	feed := receive(t, "a feed", server.calls.feeds)

	const large = 1<<31 - 1 - defaultWindow
	full := dialSilent(t, server, large)
	full.must(full.grant(0, large))
	full.get(post("/v2/feed")...)
	fullFeed := receive(t, "another feed", server.calls.feeds)
	fullFeed.push(string(big)) // more than the connection takes
	other := dial(t, server.address)
	for range 100 { // until the server has sent what it can
		other.wantAlive()
	}

	result := server.shutdown(t)
	if err := receive(t, "Shutdown", result); err != nil {
		t.Error(err)
	}
	receive(t, "Close", feed.closed)
	receive(t, "Close of the other", fullFeed.closed)
}

// Who does not want to wait any longer ends what is still under way.
func TestShutdownGivesUp(t *testing.T) {
	t.Parallel()
	onSlowPaths(t, func(t *testing.T, path string) {
		server := start(t)
		c := dial(t, server.address)
		stream := c.get(post(path)...)
		receive(t, "the request", server.calls.begun)
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error, 1)
		go func() { result <- server.Shutdown(ctx) }()
		c.wantLastStream()
		cancel()
		if err := receive(t, "Shutdown", result); !errors.Is(err, context.Canceled) {
			t.Errorf("Shutdown: %v", err)
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := receive(t, "the end of the request", server.calls.ended); err == nil {
			t.Error("the context of the request has not ended")
		}
		c.wantClosed()
		if r := c.at(stream); r.status == "200" {
			t.Error(r)
		}
	})
}

// Close ends everything at once, whatever clients are about to do.
func TestCloseInTheMiddle(t *testing.T) {
	t.Parallel()
	for range 20 {
		server := start(t, func(s *setup) { s.http.HTTP2.MaxConcurrentStreams = 1 << 20 })
		for range 3 {
			c := dial(t, server.address)
			c.together(func() { // in a few bytes, so that many are there when Close comes
				for range 100 {
					c.get(post("/v2/feed", feedKinds["quick"]...)...)
					c.get(post("/v2/feed", feedKinds["not quick"]...)...)
					c.get(post("/v2/echo")...)
				}
			})
		}
		receive(t, "a feed", server.calls.feeds).push("news")
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		for {
			select {
			case feed := <-server.calls.feeds:
				receive(t, "Close", feed.closed)
				continue
			default:
			}
			break
		}
	}
}

// A connection that is given to a server that has ended is closed.
func TestServeAfterShutdown(t *testing.T) {
	t.Parallel()
	server := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if err := server.Shutdown(ctx); err != nil { // once more
		t.Error(err)
	}
	if err := server.Close(); err != nil {
		t.Error(err)
	}
}
