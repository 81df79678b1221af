package transport_test

import (
	"slices"
	"strconv"
	"testing"

	"golang.org/x/net/http2"
)

// bigPaths reply as many bytes as the body says, as a call and by net/http.
var bigPaths = map[string]string{"call": "/v2/big", "net/http": "/big"}

func onBigPaths(t *testing.T, test func(t *testing.T, server *running, path string)) {
	for name, path := range bigPaths {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, start(t), path)
		})
	}
}

// dialSilent connects with an initial window for each stream, and grants no more.
func dialSilent(t *testing.T, server *running, window uint32) *client {
	c := dial(t, server.address, http2.Setting{ID: http2.SettingInitialWindowSize, Val: window})
	c.until("settings", func() bool { return len(c.settings) > 0 && c.settingsAcks > 0 })
	c.silent = true
	return c
}

// sync waits until the server has taken all that was sent to it, and its replies have
// come as far as they may.
func (c *client) sync() {
	c.t.Helper()
	before := len(c.pongs)
	c.must(c.WritePing(false, [8]byte{}))
	c.until("the answer to a ping", func() bool { return len(c.pongs) > before })
}

// wantBody waits for n bytes of a reply, and makes sure that no more come.
func (c *client) wantBody(stream uint32, n int) {
	c.t.Helper()
	r := c.at(stream)
	c.until(strconv.Itoa(n)+" bytes", func() bool { return len(r.body) >= n && r.status != "" })
	c.sync()
	if len(r.body) != n {
		c.t.Fatalf("stream %d: %d bytes came, want %d", stream, len(r.body), n)
	}
}

func TestWindowOfOneByte(t *testing.T) {
	t.Parallel()
	onBigPaths(t, func(t *testing.T, server *running, path string) {
		const size = 1000
		c := dialSilent(t, server, 1)
		stream := c.post(path, strconv.Itoa(size))
		for n := range size {
			c.until("a byte", func() bool { return len(c.at(stream).body) > n })
			if got := len(c.at(stream).body); got != n+1 {
				t.Fatalf("%d bytes came, want %d", got, n+1)
			}
			if n+1 < size {
				c.must(c.grant(stream, 1))
			}
		}
		if r := c.reply(stream); len(r.body) != size || r.reset != nil {
			t.Error(r)
		}
	})
}

func TestWindowOfNothing(t *testing.T) {
	t.Parallel()
	onBigPaths(t, func(t *testing.T, server *running, path string) {
		c := dialSilent(t, server, 0)
		stalled := []uint32{c.post(path, "10"), c.post(path, "20"), c.post(path, "30")}
		for _, stream := range stalled {
			c.wantBody(stream, 0)
		}
		c.wantReply(c.post(path, "0"), "200", "") // takes no window
		c.wantReply(c.get(post("/v2/echo")...), "200", "")
		c.must(c.grant(stalled[1], 20)) // a later one first
		c.wantReply(stalled[1], "200", string(big[:20]))
		for _, i := range []int{0, 2} {
			if n := len(c.at(stalled[i]).body); n != 0 {
				t.Errorf("%d bytes without a window", n)
			}
			c.must(c.grant(stalled[i], 1<<20))
			c.wantReply(stalled[i], "200", string(big[:10*(i+1)]))
		}
	})
}

// SETTINGS change the windows of all streams, which may make them negative (6.9.2).
func TestWindowsChange(t *testing.T) {
	t.Parallel()
	onBigPaths(t, func(t *testing.T, server *running, path string) {
		c := dialSilent(t, server, 100)
		window := func(size uint32) { c.configure(http2.Setting{ID: http2.SettingInitialWindowSize, Val: size}) }
		first := c.post(path, "1000")
		c.wantBody(first, 100)
		window(150)
		c.wantBody(first, 150)
		window(10) // 140 below nothing
		c.wantBody(first, 150)
		second := c.post(path, "1000")
		c.wantBody(second, 10)
		c.must(c.grant(first, 139))
		c.wantBody(first, 150) // a byte below
		c.must(c.grant(first, 1))
		c.wantBody(first, 150) // at nothing
		c.must(c.grant(first, 1))
		c.wantBody(first, 151)
		window(0)
		c.wantBody(first, 151)
		window(11)
		c.wantBody(first, 152)
		c.wantBody(second, 11)
		window(1000)
		for _, stream := range []uint32{first, second} {
			if r := c.reply(stream); len(r.body) != 1000 || r.reset != nil {
				t.Error(r)
			}
		}
		// Many in one frame: the last one holds.
		c.configure(slices.Repeat([]http2.Setting{
			{ID: http2.SettingInitialWindowSize, Val: 5}, {ID: http2.SettingInitialWindowSize, Val: 7},
		}, 20)...)
		c.wantBody(c.post(path, "1000"), 7)
	})
}

// Replies share the window of the connection.
func TestWindowOfTheConnection(t *testing.T) {
	t.Parallel()
	onBigPaths(t, func(t *testing.T, server *running, path string) {
		const size, replies = 50_000, 5
		c := dialSilent(t, server, 1<<20)
		var streams [replies]uint32
		for i := range streams {
			streams[i] = c.post(path, strconv.Itoa(size))
		}
		received := func() (n int) {
			for _, stream := range streams {
				n += len(c.at(stream).body)
			}
			return n
		}
		want := defaultWindow
		for want < size*replies {
			c.until("as much as the window lets through", func() bool { return received() >= want })
			c.sync()
			if got := received(); got != want {
				t.Fatalf("%d bytes came, the window has %d", got, want)
			}
			const more = 30_001
			want += more
			c.must(c.grant(0, more))
		}
		for _, stream := range streams {
			if r := c.reply(stream); len(r.body) != size || r.reset != nil {
				t.Error(r)
			}
		}
		c.must(c.grant(0, 100))
		c.wantReply(c.post("/v2/echo", "after it"), "200", "after it")
	})
}

// A window may be as large as 2^31-1, and no larger.
func TestWindowOverflow(t *testing.T) {
	t.Parallel()
	const most = 1<<31 - 1
	for name, path := range map[string]string{"call": "/v2/slow", "net/http": "/idle"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := start(t)
			t.Run("of a stream", func(t *testing.T) {
				t.Parallel()
				c := dialSilent(t, server, 10)
				full, over := c.get(post(path)...), c.get(post(path)...)
				c.must(c.grant(full, most-10))
				c.must(c.grant(over, most-10))
				c.wantAlive()
				c.must(c.grant(over, 1))
				c.wantReset(over, http2.ErrCodeFlowControl)
				if r := c.at(full); r.reset != nil {
					t.Error(r)
				}
			})
			t.Run("by settings", func(t *testing.T) {
				t.Parallel()
				c := dialSilent(t, server, 10)
				c.must(c.grant(c.get(post(path)...), most-10))
				c.wantAlive()
				c.configure(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 11})
				c.wantGoAway(http2.ErrCodeFlowControl)
			})
			t.Run("of the connection", func(t *testing.T) {
				t.Parallel()
				c := dialSilent(t, server, 10)
				c.must(c.grant(0, most-defaultWindow))
				c.wantAlive()
				c.must(c.grant(0, most))
				c.wantGoAway(http2.ErrCodeFlowControl)
			})
		})
	}
}

// Replies are cut into frames as large as the client takes; it has not asked for larger
// ones than the default, so a larger one is an error of raw_client's Framer.
func TestFrameSizeOfReplies(t *testing.T) {
	t.Parallel()
	onBigPaths(t, func(t *testing.T, server *running, path string) {
		for _, size := range []uint32{defaultFrameSize, 1 << 20, 1<<24 - 1} {
			c := dial(t, server.address, http2.Setting{ID: http2.SettingMaxFrameSize, Val: size})
			c.SetMaxReadFrameSize(size)
			c.wantReply(c.post(path, "1000000"), "200", string(big[:1_000_000]))
		}
		c := dial(t, server.address)
		c.wantReply(c.post(path, "1000000"), "200", string(big[:1_000_000]))
	})
}

// A reply that waits for its window does not hold up others, not even feeds.
func TestStalledReplyAmongOthers(t *testing.T) {
	t.Parallel()
	onBigPaths(t, func(t *testing.T, server *running, path string) {
		c := dialSilent(t, server, 10)
		stalled := c.post(path, "1000000")
		c.wantBody(stalled, 10)
		for range 20 {
			c.wantReply(c.post("/v2/echo", "passes"), "200", "passes")
			c.wantReply(c.post("/", "passes"), "200", "passes")
		}
		feed := c.at(c.post("/v2/feed", ""))
		c.until("the feed", func() bool { return string(feed.body) == firstPiece })
		c.must(c.grant(0, 1<<20))
		c.must(c.grant(stalled, 1<<20))
		c.wantReply(stalled, "200", string(big[:1_000_000]))
	})
}
