package transport_test

import (
	"strings"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/transport"
	"golang.org/x/net/http2"
)

// A client that takes nothing of a stream loses that stream, and no other: one with signs of
// life goes on, and so do calls.
func TestStalledStreamEnds(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		window uint32
		open   func(c *client, server *running) (stream uint32, news func(string))
	}{
		"a feed without a window": {0, openSilentFeed},
		"a feed that has got its first piece": {uint32(len(firstPiece)), func(c *client, server *running) (uint32, func(string)) {
			stream, push := openSilentFeed(c, server)
			c.wantBody(stream, len(firstPiece))
			push("news")
			return stream, push
		}},
		"a feed of which half a piece was taken": {uint32(len(firstPiece)) + 1, func(c *client, server *running) (uint32, func(string)) {
			stream, push := openSilentFeed(c, server)
			push("news")
			c.wantBody(stream, len(firstPiece)+1)
			return stream, push
		}},
		"a call": {0, func(c *client, _ *running) (uint32, func(string)) {
			return c.post("/v2/big", "1000"), func(string) {}
		}},
		"a request for net/http": {0, func(c *client, _ *running) (uint32, func(string)) {
			return c.post("/big", "100000"), func(string) {}
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := start(t, func(s *setup) { s.options.StallTimeout, s.calls.silence = short, short })
			c := dialSilent(t, server, test.window)
			lively := c.postWithWindow("/v2/feed", "")
			feed := receive(t, "a feed", server.calls.feeds)
			stalled, news := test.open(c, server)
			r := c.at(stalled)
			c.until("the end of the stream", func() bool { return r.reset != nil })
			if *r.reset != http2.ErrCodeCancel {
				t.Errorf("it ended with %v", *r.reset)
			}
			news("too late")
			before := len(c.at(lively).body)
			feed.push("news")
			c.until("news of the other feed", func() bool {
				return len(c.at(lively).body) > before && strings.Contains(string(c.at(lively).body), "news")
			})
			c.wantReply(c.postWithWindow("/v2/echo", "alive"), "200", "alive")
			if got := server.Stats().Stalled; got != 1 {
				t.Errorf("%d streams are counted", got)
			}
		})
	}
}

// postWithWindow sends a request, and the window for its reply together with it.
func (c *client) postWithWindow(path, body string) (stream uint32) {
	c.t.Helper()
	c.together(func() {
		stream = c.open(post(path)...)
		c.data(stream, true, body)
		c.must(c.grant(stream, 1<<20))
	})
	return stream
}

func openSilentFeed(c *client, server *running) (stream uint32, push func(string)) {
	stream = c.get(post("/v2/feed")...)
	feed := receive(c.t, "a feed", server.calls.feeds)
	return stream, func(piece string) {
		if piece == "too late" {
			receive(c.t, "Close", feed.closed)
		}
		feed.push(piece)
	}
}

// What the client takes bit by bit goes on, and so does a feed without news whose client has
// room for signs of life.
func TestSlowIsNotStalled(t *testing.T) {
	t.Parallel()
	const limit = 4 * long // no pause of a busy machine is as long
	server := start(t, func(s *setup) { s.options.StallTimeout, s.calls.silence = limit, long/4 })
	c := dialSilent(t, server, 0)
	feed := c.postWithWindow("/v2/feed", "")
	slow := c.post("/v2/big", "1000")
	ticker := time.NewTicker(long / 20)
	defer ticker.Stop()
	for begun := time.Now(); time.Since(begun) < 3*limit/2; <-ticker.C {
		c.must(c.grant(slow, 1))
		c.sync()
	}
	c.must(c.grant(slow, 1000))
	if r := c.reply(slow); len(r.body) != 1000 || r.reset != nil {
		t.Error(r)
	}
	c.wantOpen(feed)
}

// wantOpen makes sure that a stream has not ended.
func (c *client) wantOpen(stream uint32) {
	c.t.Helper()
	c.sync()
	if r := c.at(stream); r.ended || r.reset != nil {
		c.t.Errorf("stream %d: %v", stream, r)
	}
}

// A feed whose Next takes its time is not its client's fault.
func TestStallIsNotOfTheServer(t *testing.T) {
	t.Parallel()
	server := start(t, func(s *setup) { s.options.StallTimeout, s.calls.silence = short, short })
	c := dial(t, server.address)
	r, feed := c.openFeed(server)
	stalled, _ := openSilentFeed(dialSilent(t, server, 0), server)
	feed.think.Lock()
	feed.push("news")
	for server.Stats().Stalled == 0 { // of the other, which began later
		c.wantAlive()
	}
	feed.think.Unlock()
	c.until("news", func() bool { return strings.Contains(string(r.body), "news") })
	_ = stalled
}

// What is there for streams that have ended takes no room of their connection any more: its
// further calls would wait for that.
func TestStalledStreamsGiveRoomBack(t *testing.T) {
	t.Parallel()
	const streams, replyBytes = 20, "1000000" // more than a connection may have unread
	server := start(t, func(s *setup) { s.options.StallTimeout = short })
	c := dialSilent(t, server, 0)
	for range streams {
		c.post("/v2/big", replyBytes)
	}
	c.until("the end of all", func() bool {
		ended := 0
		for _, r := range c.replies {
			if r.reset != nil {
				ended++
			}
		}
		return ended == streams
	})
	c.wantReply(c.postWithWindow("/v2/patient", "alive"), "200", "alive")
	if got := server.Stats(); got != (transport.Stats{HTTP2: 1, Stalled: streams}) {
		t.Errorf("%+v", got)
	}
}
