package transport_test

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// What tests set a timeout to: a short one is waited for, and a client stays below a long
// one even on a busy machine.
const (
	short = 200 * time.Millisecond
	long  = time.Second
)

// What a client begins it must go on with: a preface, a frame, a header.
func TestReadHeaderTimeout(t *testing.T) {
	t.Parallel()
	server := start(t, func(s *setup) { s.http.ReadHeaderTimeout = short })
	head := func(kind http2.FrameType, payload ...byte) string {
		return http2.ClientPreface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00" + // SETTINGS
			string(append([]byte{0, 0, 9, byte(kind), 0, 0, 0, 0, 1}, payload...))
	}
	tests := map[string]string{
		"nothing":                    "",
		"half a preface":             http2.ClientPreface[:10],
		"PRI":                        "PRI",
		"a preface alone":            http2.ClientPreface,
		"half of SETTINGS":           http2.ClientPreface + "\x00\x00\x06\x04",
		"half a frame":               head(http2.FramePing, 0)[:len(http2.ClientPreface)+9+5],
		"half of HEADERS":            head(http2.FrameHeaders, 0x83),
		"HEADERS, no CONTINUATION":   head(http2.FrameHeaders, make([]byte, 9)...)[:len(http2.ClientPreface)+9] + "\x00\x00\x01\x01\x01\x00\x00\x00\x01\x83",
		"half a header of HTTP/1.1":  "POST / HTTP/1.1\r\nHost:",
		"half a method of HTTP/1.1":  "P",
		"an empty line, then nought": "\r\n",
	}
	for name, sent := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := dialTCP(t, server.address)
			if _, err := io.WriteString(conn, sent); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, conn); err != nil && !isClosed(err) {
				t.Errorf("the connection is not closed: %v", err)
			}
		})
	}
}

// A header that goes on coming, too slowly, is out of time as one that stops.
func TestReadHeaderTimeoutOfADribble(t *testing.T) {
	t.Parallel()
	server := start(t, func(s *setup) { s.http.ReadHeaderTimeout = long })
	tests := map[string]func(c *client){
		"a byte of HEADERS at a time": func(c *client) { c.check(c.conn.Write([]byte{0})) },
		"CONTINUATION":                func(c *client) { c.must(c.WriteContinuation(1, false, []byte{0x83})) },
		"empty CONTINUATION":          func(c *client) { c.must(c.WriteContinuation(1, false, nil)) },
	}
	for name, dribble := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, server.address)
			c.sync()
			if name == "a byte of HEADERS at a time" {
				c.check(c.conn.Write([]byte{0, 0xff, 0xff, byte(http2.FrameHeaders), 0, 0, 0, 0, 1}))
			} else {
				c.must(c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1}))
			}
			closed := make(chan error, 1)
			go func() {
				_, err := io.Copy(io.Discard, c.conn)
				closed <- err
			}()
			ticker := time.NewTicker(5 * time.Millisecond)
			defer ticker.Stop()
			c.t = ignoreFailures{t}
			for {
				select {
				case err := <-closed:
					if err != nil && !isClosed(err) {
						t.Error(err)
					}
					return
				case <-ticker.C:
					dribble(c)
				}
			}
		})
	}
}

// ignoreFailures is for writes to a connection that is about to be closed.
type ignoreFailures struct{ testing.TB }

func (ignoreFailures) Fatal(...any) {}

// A client that never pauses between frames is not one that never ends a frame.
func TestReadHeaderTimeoutIsOfOneFrame(t *testing.T) {
	t.Parallel()
	server := start(t, func(s *setup) { s.http.ReadHeaderTimeout = long })
	c := dial(t, server.address)
	c.sync()
	ping := []byte{0, 0, 8, byte(http2.FramePing), 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8}
	c.check(c.conn.Write(ping[:5]))
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for begun, n := time.Now(), 1; time.Since(begun) < 3*long/2; n++ {
		<-ticker.C
		c.check(c.conn.Write(append(ping[5:], ping[:5]...))) // the rest of one, and half of the next
		c.until("the answer to a ping", func() bool { return len(c.pongs) > n })
	}
	c.check(c.conn.Write(ping[5:]))
	c.wantAlive()
}

func TestIdleTimeout(t *testing.T) {
	t.Parallel()
	server := start(t, func(s *setup) { s.http.IdleTimeout = long })
	t.Run("after a request", func(t *testing.T) {
		t.Parallel()
		c := dial(t, server.address)
		c.wantAlive()
		c.wantGoAway(http2.ErrCodeNo)
	})
	t.Run("without one", func(t *testing.T) {
		t.Parallel()
		dial(t, server.address).wantGoAway(http2.ErrCodeNo)
	})
	t.Run("pings are no use of it", func(t *testing.T) {
		t.Parallel()
		c := dial(t, server.address)
		ticker := time.NewTicker(5 * time.Millisecond)
		defer ticker.Stop()
		var err error
		for err == nil {
			<-ticker.C
			err = errors.Join(c.WritePing(false, [8]byte{}), c.readOne())
		}
		if !isClosed(err) {
			t.Error(err)
		}
	})
}

// Neither a request that is under way nor a feed leaves a connection idle.
func TestIdleTimeoutIsNotOfRequests(t *testing.T) {
	t.Parallel()
	server := start(t, func(s *setup) { s.http.IdleTimeout, s.calls.silence = long, short })
	slow := dial(t, server.address)
	stream := slow.get(post("/v2/slow")...)
	idle := dial(t, server.address)
	handled := idle.get(post("/idle")...)
	c := dial(t, server.address)
	r, _ := c.openFeed(server)
	c.until("several times the timeout", func() bool { return len(r.body) > len(firstPiece)+int(long/short)+2 })
	server.calls.release()
	slow.wantReply(stream, "200", "")
	idle.wantReply(handled, "200", "")
}

// A client that is silent is asked for a sign of life while something is under way.
func TestPing(t *testing.T) {
	t.Parallel()
	t.Run("answered", func(t *testing.T) {
		t.Parallel()
		server := start(t, func(s *setup) { s.options.PingAfter, s.options.PingTimeout = short, long })
		c := dial(t, server.address)
		_, feed := c.openFeed(server)
		c.until("pings", func() bool { return c.pings > int(long/short)+1 })
		feed.push("alive")
		c.wantAlive()
	})
	t.Run("not answered", func(t *testing.T) {
		t.Parallel()
		server := start(t, func(s *setup) { s.options.PingAfter, s.options.PingTimeout = short, short })
		c := dial(t, server.address)
		c.get(post("/v2/feed")...)
		feed := receive(t, "a feed", server.calls.feeds)
		c.silent = true
		c.wantClosed()
		if c.pings == 0 {
			t.Error("the connection was closed without a ping")
		}
		receive(t, "Close", feed.closed)
	})
}

// A client that takes nothing off its connection is cut off, whatever it has asked for.
func TestWriteTimeout(t *testing.T) {
	t.Parallel()
	const large = 1<<31 - 1 - defaultWindow
	fill := func(path string) func(c, other *client) {
		return func(c, other *client) {
			c.post(path, "16000000")
			for range 100 { // until the server has sent what it can
				other.wantAlive()
			}
		}
	}
	tests := map[string]func(c, other *client){
		"call":     fill("/v2/big"),
		"net/http": fill("/big"),
		// The reason of the end cannot be told to the client either.
		"then a protocol error": func(c, other *client) {
			fill("/v2/big")(c, other)
			c.must(c.WriteWindowUpdate(0, 0))
		},
		"then half a frame": func(c, other *client) {
			fill("/v2/big")(c, other)
			c.check(c.conn.Write([]byte{0, 0}))
		},
		"then closed for writing": func(c, other *client) {
			fill("/v2/big")(c, other)
			c.closeWrite()
		},
	}
	for name, send := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := start(t, func(s *setup) { s.options.WriteTimeout = short })
			c := dialSilent(t, server, large)
			c.must(c.grant(0, large))
			_, feed := c.openFeed(server)
			other := dial(t, server.address)
			send(c, other)
			receive(t, "Close", feed.closed)
			c.must(other.conn.Close())
			server.wantGone(t)
		})
	}
}

// wantGone waits until the server has no connection any more, by having it shut down.
func (s *running) wantGone(t *testing.T) {
	t.Helper()
	if err := receive(t, "Shutdown", s.shutdown(t)); err != nil {
		t.Errorf("a connection lives on: %v", err)
	}
}

// A handler that sets no status sends 200, as it does with net/http: the timeouts of the
// server are none of its own.
func TestTimeoutsAreNotOfHandlers(t *testing.T) {
	t.Parallel()
	server := start(t, func(s *setup) {
		s.http.ReadHeaderTimeout, s.http.IdleTimeout, s.options.BodyTimeout = long, long, long
		s.http.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
		})
	})
	c := dial(t, server.address)
	c.sync()
	stream := c.open(post("/")...)
	other := dial(t, server.address)
	timedOut := other.open(post("/v2/echo")...)
	other.wantReply(timedOut, "400", "the request body took too long")
	c.data(stream, true, "late")
	c.wantReply(stream, "200", "")
}
