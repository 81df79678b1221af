package transport_test

import (
	"bytes"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// Bodies larger than any window arrive, because their windows are returned.
func TestUpload(t *testing.T) {
	t.Parallel()
	onEchoPaths(t, func(t *testing.T, server *running, path string) {
		c := dial(t, server.address)
		body := make([]byte, 1<<20)
		for i := range body {
			body[i] = byte(i % 251)
		}
		for range 6 { // more than the window of the connection
			stream := c.open(post(path)...)
			c.upload(stream, body)
			if r := c.reply(stream); !bytes.Equal(r.body, body) {
				t.Fatalf("%v, of %d bytes", r, len(body))
			}
		}
	})
}

// Padding uses up the windows too, and is returned.
func TestPaddingReturnsItsWindow(t *testing.T) {
	t.Parallel()
	onEchoPaths(t, func(t *testing.T, server *running, path string) {
		c := dial(t, server.address)
		c.until("settings", func() bool { return len(c.settings) > 0 })
		stream := c.open(post(path)...)
		padding := make([]byte, 255)
		for sent := 0; sent < 5<<20; sent += 257 {
			c.until("a window", func() bool { return c.windows.of(stream) >= 257 })
			c.windows.use(stream, 257)
			c.must(c.WriteDataPadded(stream, false, []byte("a"), padding))
		}
		c.data(stream, true, "")
		if r := c.reply(stream); r.status != "200" {
			t.Error(r)
		}
	})
}

// A request that is given up gives back what it has used of the connection's window.
func TestWindowOfResetRequests(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"call": "/v2/echo", "net/http": "/", "unread": "/idle", "refused": "/v2/refused"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := start(t)
			c := dial(t, server.address)
			c.until("settings", func() bool { return len(c.settings) > 0 })
			for range 300 {
				stream := c.open(post(path)...)
				for range 3 {
					c.until("a window of the connection", func() bool { return c.windows.conn >= defaultFrameSize })
					c.data(stream, false, string(big[:defaultFrameSize]))
				}
				c.must(c.WriteRSTStream(stream, http2.ErrCodeCancel))
			}
			c.wantAlive()
		})
	}
}

// Who sends more than the windows let through is told so: a handler that reads nothing
// returns nothing.
func TestReceiveWindowViolated(t *testing.T) {
	t.Parallel()
	t.Run("of a stream", func(t *testing.T) {
		t.Parallel()
		server := start(t)
		c := dial(t, server.address)
		stream := c.open(post("/idle")...)
		receive(t, "the request", server.calls.begun)
		c.sync()
		for c.windows.of(stream) > 0 {
			n := min(c.windows.of(stream), defaultFrameSize)
			c.data(stream, false, string(big[:n]))
			c.sync()
		}
		c.data(stream, false, "a")
		c.wantError(http2.ErrCodeFlowControl)
	})
}

// unhurried lets bodies take as long as a busy machine likes.
func unhurried(s *setup) { s.options.BodyTimeout = time.Hour }

// What the server takes for bodies that are not whole is bounded.
func TestUnfinishedBodies(t *testing.T) {
	t.Parallel()
	const allowed = 64<<20 + maxStreams*64<<10
	c := dial(t, start(t, unhurried).address)
	c.sync()
	total := int64(0)
	for range maxStreams - 1 {
		stream := c.open(post("/v2/patient")...)
		for sent := int64(0); sent < 1<<20; {
			if c.windows.of(stream) < defaultFrameSize {
				c.sync()
			}
			n := min(c.windows.of(stream), defaultFrameSize, 1<<20-sent)
			if n == 0 {
				break
			}
			c.data(stream, false, string(big[:n]))
			sent += n
			total += n
		}
	}
	if total > allowed {
		t.Errorf("the server took %d bytes, which may be %d", total, allowed)
	}
	c.wantAlive()
}

// A handler that replies without reading leaves a body to be discarded.
func TestUnreadBody(t *testing.T) {
	t.Parallel()
	server := start(t)
	c := dial(t, server.address)
	for range 30 {
		stream := c.open(post("/first")...)
		c.upload(stream, make([]byte, 1_000_000))
		r := c.at(stream)
		c.until("the reply", func() bool { return r.ended })
		if r.status != "200" || string(r.body) != "at once" {
			t.Fatalf("%v: %s", r, r.body)
		}
	}
	c.wantAlive()
}
