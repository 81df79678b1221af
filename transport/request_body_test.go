package transport_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/kvconnect/kvconnect/transport"
	"golang.org/x/net/http2"
)

// echoPaths reply the body of a request in all ways in which requests are served.
var echoPaths = map[string]string{"quick call": "/v2/echo", "call": "/v2/patient", "net/http": "/"}

// onEchoPaths runs a test on a server of its own for each of echoPaths.
func onEchoPaths(t *testing.T, test func(t *testing.T, server *running, path string)) {
	for name, path := range echoPaths {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, start(t), path)
		})
	}
}

func TestBodyInPieces(t *testing.T) {
	t.Parallel()
	onEchoPaths(t, func(t *testing.T, server *running, path string) {
		tests := map[string]func(c *client, stream uint32){
			"no body": func(c *client, stream uint32) { c.data(stream, true, "") },
			"bytes": func(c *client, stream uint32) {
				for _, piece := range strings.Split("many", "") {
					c.data(stream, false, piece)
				}
				c.data(stream, true, "")
			},
			"empty ones between": func(c *client, stream uint32) {
				for range 10 {
					c.data(stream, false, "")
				}
				c.data(stream, false, "ma")
				c.data(stream, false, "")
				c.data(stream, true, "ny")
			},
			"padded": func(c *client, stream uint32) {
				c.must(c.WriteDataPadded(stream, false, []byte("ma"), make([]byte, 255)))
				c.must(c.WriteDataPadded(stream, false, nil, make([]byte, 100)))
				c.must(c.WriteDataPadded(stream, false, nil, []byte{}))
				c.must(c.WriteDataPadded(stream, true, []byte("ny"), []byte{}))
			},
			"trailers": func(c *client, stream uint32) {
				c.data(stream, false, "many")
				c.endWithTrailer(stream)
			},
		}
		for name, send := range tests {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				want := "many"
				if name == "no body" {
					want = ""
				}
				c := dial(t, server.address)
				stream := c.open(post(path)...)
				send(c, stream)
				c.wantReply(stream, "200", want)
				c.together(func() {
					stream = c.open(post(path)...)
					send(c, stream)
				})
				c.wantReply(stream, "200", want)
			})
		}
		c := dial(t, server.address)
		c.wantReply(c.get(post(path)...), "200", "")
	})
}

// Requests whose frames come by turns get each their own body.
func TestBodiesTakeTurns(t *testing.T) {
	t.Parallel()
	onEchoPaths(t, func(t *testing.T, server *running, path string) {
		c := dial(t, server.address)
		const requests, pieces = 20, 30
		var streams [requests]uint32
		for i := range streams {
			streams[i] = c.open(post(path)...)
		}
		for range pieces {
			for i, stream := range streams {
				c.data(stream, false, string(rune('a'+i)))
			}
		}
		for i, stream := range streams {
			c.data(stream, true, "")
			c.wantReply(stream, "200", strings.Repeat(string(rune('a'+i)), pieces))
		}
	})
}

// A body that is not as long as its header says is malformed (RFC 9113, 8.1.1).
func TestContentLength(t *testing.T) {
	t.Parallel()
	onEchoPaths(t, func(t *testing.T, server *running, path string) {
		tests := map[string]func(c *client, stream uint32){
			"less":             func(c *client, stream uint32) { c.data(stream, true, "abc") },
			"nothing":          func(c *client, stream uint32) { c.data(stream, true, "") },
			"more":             func(c *client, stream uint32) { c.data(stream, true, "abcde") },
			"more, not ended":  func(c *client, stream uint32) { c.data(stream, false, "abcde") },
			"more, in pieces":  func(c *client, stream uint32) { c.data(stream, false, "abcd"); c.data(stream, true, "e") },
			"less, padded":     func(c *client, stream uint32) { c.must(c.WriteDataPadded(stream, true, []byte("abc"), []byte{0})) },
			"less and trailer": func(c *client, stream uint32) { c.data(stream, false, "abc"); c.endWithTrailer(stream) },
		}
		for name, send := range tests {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				c := dial(t, server.address)
				stream := c.open(post(path, "content-length", "4")...)
				send(c, stream)
				c.wantMalformed(stream)
			})
		}
		for _, length := range []string{"-1", "4,4", "x", "", "99999999999999999999", "+4", "0x4"} {
			t.Run("length "+length, func(t *testing.T) {
				t.Parallel()
				c := dial(t, server.address)
				stream := c.open(post(path, "content-length", length)...)
				c.data(stream, true, "abcd")
				c.wantMalformed(stream)
			})
		}
		c := dial(t, server.address)
		c.wantMalformed(c.get(post(path, "content-length", "4")...))
		stream := c.open(post(path, "content-length", "4", "content-length", "5")...)
		c.data(stream, true, "abcd")
		c.wantMalformed(stream)
		c.wantReply(c.post(path, "abcd", "content-length", "4"), "200", "abcd")
		c.wantReply(c.get(post(path, "content-length", "0")...), "200", "")
	})
}

func (c *client) endWithTrailer(stream uint32) {
	c.t.Helper()
	c.must(c.WriteHeaders(http2.HeadersFrameParam{
		StreamID: stream, BlockFragment: c.encode("x-sum", "5"), EndHeaders: true, EndStream: true,
	}))
}

// A call that is reset for its body is never received.
func TestMalformedBodyIsNotReceived(t *testing.T) {
	t.Parallel()
	server := start(t)
	c := dial(t, server.address)
	stream := c.open(post("/v2/patient", "content-length", "4")...)
	c.data(stream, true, "abc")
	c.wantReset(stream, http2.ErrCodeProtocol)
	if n := server.calls.bodies.Load(); n != 1 { // the one of wantReset
		t.Errorf("%d bodies were received, want 1", n)
	}
}

func TestBodyTooLarge(t *testing.T) {
	t.Parallel()
	const most = 100_000
	server := start(t, func(s *setup) { s.calls.maxBodyBytes = most })
	whole := bytes.Repeat([]byte{'x'}, most)
	tests := map[string][]string{
		"of no known length": nil,
		"of a known length":  {"content-length", "1000000"},
	}
	for name, fields := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, server.address)
			// More than any window of the connection, unless it is returned.
			for range 30 {
				stream := c.open(post("/v2/echo", fields...)...)
				c.upload(stream, make([]byte, 1_000_000))
				c.until("the refusal", func() bool { return c.at(stream).ended })
				if r := c.at(stream); r.status != "400" || string(r.body) != transport.ErrBodyTooLarge.Error() {
					t.Fatalf("%v: %s", r, r.body)
				}
				if code := c.at(stream).reset; code != nil && *code != http2.ErrCodeNo {
					t.Fatalf("reset with %v", *code)
				}
			}
			stream := c.open(post("/v2/echo")...)
			c.upload(stream, whole)
			c.wantReply(stream, "200", string(whole))
		})
	}
}

func TestRefusedBeforeTheBody(t *testing.T) {
	t.Parallel()
	server := start(t)
	c := dial(t, server.address)
	for range 30 {
		stream := c.open(post("/v2/refused", "x-reason", "for good")...)
		r := c.at(stream)
		c.upload(stream, make([]byte, 1_000_000))
		c.until("the refusal", func() bool { return r.ended })
		if r.status != "401" || r.field("www-authenticate") != "Bearer" || string(r.body) != "refused for good" {
			t.Fatalf("%v: %s", r, r.body)
		}
	}
	c.wantReply(c.get(post("/v2/refused")...), "401", "refused ")
	c.wantAlive()
}

// A body that does not arrive in time is refused, wherever it stops.
func TestBodyTimeout(t *testing.T) {
	t.Parallel()
	server := start(t, func(s *setup) { s.options.BodyTimeout = short })
	tests := map[string]func(c *client, stream uint32){
		"no body":        func(*client, uint32) {},
		"some of it":     func(c *client, stream uint32) { c.data(stream, false, "a") },
		"no end":         func(c *client, stream uint32) { c.data(stream, false, "abcd") },
		"half a frame":   func(c *client, stream uint32) { c.rawHalf(http2.FrameData, stream) },
		"half a trailer": func(c *client, stream uint32) { c.rawHalf(http2.FrameHeaders, stream) },
	}
	for name, send := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, server.address)
			stream := c.open(post("/v2/echo", "content-length", "4")...)
			send(c, stream)
			c.wantReply(stream, "400", transport.ErrBodyTimeout.Error())
			if !strings.HasPrefix(name, "half") {
				c.wantAlive()
			}
		})
	}
}

// rawHalf sends the beginning of a frame.
func (c *client) rawHalf(kind http2.FrameType, stream uint32) {
	c.t.Helper()
	c.check(c.conn.Write([]byte{0, 0, 4, byte(kind), 0, byte(stream >> 24), byte(stream >> 16), byte(stream >> 8), byte(stream), 'a', 'b'}))
}

// A body that goes on coming, too slowly, is out of time as one that stops.
func TestBodyTimeoutOfADribble(t *testing.T) {
	t.Parallel()
	server := start(t, func(s *setup) { s.options.BodyTimeout = short })
	c := dial(t, server.address)
	stream := c.open(post("/v2/echo")...)
	r := c.at(stream)
	for !r.ended && r.reset == nil {
		c.data(stream, false, "a")
		c.must(c.WritePing(false, [8]byte{}))
		heard := len(c.pongs)
		c.until("the answer to the ping", func() bool { return len(c.pongs) > heard })
	}
	c.wantReply(stream, "400", transport.ErrBodyTimeout.Error())
}

// Handlers of net/http bound the time of a body themselves.
func TestReadDeadlineOfNetHTTP(t *testing.T) {
	t.Parallel()
	server := start(t)
	c := dial(t, server.address)
	stream := c.open(post("/hurry?100ms")...)
	c.data(stream, false, "a")
	c.wantReply(stream, "408", "too late\n")
	c.wantReply(c.post("/hurry?1h", "a"), "200", "in time")
}

// A client that asks whether it may send the body is told so, or gets the reply.
func TestExpectContinue(t *testing.T) {
	t.Parallel()
	onEchoPaths(t, func(t *testing.T, server *running, path string) {
		c := dial(t, server.address)
		stream := c.open(post(path, "expect", "100-continue", "content-length", "4")...)
		r := c.at(stream)
		c.until("100 Continue", func() bool { return len(r.interim) > 0 })
		if r.interim[0] != "100" {
			t.Fatalf("status %s", r.interim[0])
		}
		c.data(stream, true, "body")
		c.wantReply(stream, "200", "body")
		refused := c.open(post("/v2/refused", "expect", "100-continue")...)
		c.until("the refusal", func() bool { return c.at(refused).ended })
		if r := c.at(refused); r.status != "401" || len(r.interim) > 0 {
			t.Errorf("%v, after %v", r, r.interim)
		}
	})
}
