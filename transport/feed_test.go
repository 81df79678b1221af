package transport_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// openFeed starts a feed and waits for its first piece.
func (c *client) openFeed(server *running, fields ...string) (*reply, *feed) {
	c.t.Helper()
	r := c.at(c.get(post("/v2/feed", fields...)...))
	f := receive(c.t, "a feed", server.calls.feeds)
	c.until("the first piece", func() bool { return string(r.body) == firstPiece })
	return r, f
}

// feedKinds are the fields that have the Serve of a feed run in either way.
var feedKinds = map[string][]string{"quick": {"x-quick", "1"}, "not quick": nil}

func onFeedKinds(t *testing.T, test func(t *testing.T, fields []string)) {
	for name, fields := range feedKinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, fields)
		})
	}
}

func TestFeed(t *testing.T) {
	t.Parallel()
	onFeedKinds(t, func(t *testing.T, fields []string) {
		server := start(t)
		c := dial(t, server.address)
		r, feed := c.openFeed(server, fields...)
		want := firstPiece
		for _, piece := range []string{"a", strings.Repeat("b", 100_000), "c"} {
			feed.push(piece)
			want += piece
			c.until("a piece", func() bool { return len(r.body) >= len(want) })
		}
		feed.waker.Wake() // no news
		c.wantAlive()
		feed.finish()
		c.until("the end", func() bool { return r.ended })
		if string(r.body) != want || r.reset != nil {
			t.Errorf("%v: %.100q", r, r.body)
		}
		receive(t, "Close", feed.closed)
		for range 10 {
			feed.waker.Wake() // too late
		}
		c.wantAlive()
	})
}

// News that came before the reply was there is not missed.
func TestFeedWithNewsAtOnce(t *testing.T) {
	t.Parallel()
	server := start(t)
	c := dial(t, server.address)
	_, feed := c.openFeed(server)
	for feed.asked() == 0 { // for the Wake before the reply
		c.wantAlive()
	}
}

// A feed whose client grants no window waits alone, and goes on with what is newest.
func TestStalledFeed(t *testing.T) {
	t.Parallel()
	onFeedKinds(t, func(t *testing.T, fields []string) {
		server := start(t)
		c := dialSilent(t, server, 0)
		stream := c.get(post("/v2/feed", fields...)...)
		r := c.at(stream)
		stalled := receive(t, "a feed", server.calls.feeds)
		c.until("the header", func() bool { return r.status != "" })
		for _, piece := range []string{"1", "2", "3"} {
			stalled.push(piece)
			other := c.get(post("/v2/feed")...)
			feed := receive(t, "another feed", server.calls.feeds)
			c.must(c.grant(other, 100))
			c.until("the other feed", func() bool { return string(c.at(other).body) == firstPiece })
			feed.push(piece)
			c.until("its piece", func() bool { return string(c.at(other).body) == firstPiece+piece })
			echo := c.post("/v2/echo", piece)
			c.must(c.grant(echo, 1))
			c.wantReply(echo, "200", piece)
		}
		if asked := stalled.asked(); asked > 0 || len(r.body) > 0 {
			t.Errorf("a feed that is stalled was asked %d times, and sent %q", asked, r.body)
		}
		for n := range len(firstPiece) + 1 {
			c.must(c.grant(stream, 1))
			c.until("a byte", func() bool { return len(r.body) > n })
		}
		if got, want := string(r.body), firstPiece+"3"; got != want {
			t.Errorf("the feed goes on with %q, want %q", got, want)
		}
		stalled.finish()
		c.must(c.grant(stream, 1)) // it is asked once it could send
		c.until("the end", func() bool { return r.ended })
	})
}

// A stalled feed has no pile of signs of life waiting for its client.
func TestKeepAlive(t *testing.T) {
	t.Parallel()
	server := start(t, func(s *setup) { s.calls.silence = 20 * time.Millisecond })
	stalled := dialSilent(t, server, uint32(len(firstPiece)))
	stream := stalled.get(post("/v2/feed")...)
	r := stalled.at(stream)
	stalledFeed := receive(t, "a feed", server.calls.feeds)
	stalled.until("the first piece", func() bool { return len(r.body) > 0 })

	c := dial(t, server.address)
	lively, feed := c.openFeed(server)
	c.until("many signs of life", func() bool { return strings.Count(string(lively.body), keepAlive) >= 20 })
	feed.push("news")
	c.until("news", func() bool { return strings.Contains(string(lively.body), "news") })
	if rest := strings.ReplaceAll(string(lively.body), keepAlive, ""); rest != firstPiece+"news" {
		t.Errorf("the feed says %q", rest)
	}

	stalledFeed.push("news")
	stalled.must(stalled.grant(stream, 1000))
	stalled.until("news", func() bool { return strings.Contains(string(r.body), "news") })
	if n := strings.Count(string(r.body), keepAlive); n > 2 {
		t.Errorf("a stalled feed had %d signs of life waiting", n)
	}
}

// A feed that takes its time over the next piece is left alone meanwhile.
func TestKeepAliveWhileNextTakesTime(t *testing.T) {
	t.Parallel()
	server := start(t, func(s *setup) { s.calls.silence = 10 * time.Millisecond })
	c := dial(t, server.address)
	r, feed := c.openFeed(server)
	lively, _ := c.openFeed(server)
	feed.think.Lock()
	feed.push("news")
	before := len(lively.body)
	c.until("many signs of life of another feed", func() bool { return len(lively.body) > before+20 })
	feed.think.Unlock()
	c.until("news", func() bool { return strings.Contains(string(r.body), "news") })
	before = len(r.body)
	c.until("signs of life after it", func() bool { return len(r.body) > before })
}

// A feed is closed when its client does not want it any more, whether it is stalled or not.
func TestFeedGivenUp(t *testing.T) {
	t.Parallel()
	tests := map[string]func(c *client, stream uint32){
		"reset":          func(c *client, stream uint32) { c.must(c.WriteRSTStream(stream, http2.ErrCodeCancel)) },
		"stream error":   func(c *client, stream uint32) { c.must(c.WriteWindowUpdate(stream, 0)) },
		"disconnected":   func(c *client, _ uint32) { c.must(c.conn.Close()) },
		"protocol error": func(c *client, _ uint32) { c.must(c.WriteWindowUpdate(0, 0)) },
	}
	for name, giveUp := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onFeedKinds(t, func(t *testing.T, fields []string) {
				for _, window := range []uint32{0, 3, 1000} {
					server := start(t)
					c := dialSilent(t, server, window)
					stream := c.get(post("/v2/feed", fields...)...)
					feed := receive(t, "a feed", server.calls.feeds)
					c.until("the header", func() bool { return c.at(stream).status != "" })
					feed.push("news")
					giveUp(c, stream)
					receive(t, "Close", feed.closed)
					feed.push("too late")
				}
			})
		})
	}
}

// Each of many feeds comes to what is newest, however often and by whomever it is woken.
func TestManyFeeds(t *testing.T) {
	t.Parallel()
	const conns, feeds, pieces = 3, 50, 100
	server := start(t)
	var clients sync.WaitGroup
	for range conns {
		clients.Go(func() {
			c := dial(t, server.address)
			for range feeds {
				c.get(post("/v2/feed")...)
			}
			c.until("the last piece of all", func() bool {
				for _, r := range c.replies {
					if !strings.HasSuffix(string(r.body), "last") {
						return false
					}
				}
				return len(c.replies) == feeds
			})
		})
	}
	var pushers sync.WaitGroup
	for range conns * feeds {
		feed := receive(t, "a feed", server.calls.feeds)
		pushers.Go(func() {
			for range pieces {
				feed.push("x")
			}
			feed.push("last")
		})
	}
	pushers.Wait()
	clients.Wait()
}
