package transport_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// A header block may come in any frames.
func TestHeaderFrames(t *testing.T) {
	t.Parallel()
	onEchoPaths(t, func(t *testing.T, server *running, path string) {
		priority := http2.PriorityParam{StreamDep: 1001, Exclusive: true, Weight: 200}
		tests := map[string]func(c *client, stream uint32, block []byte){
			"padding": func(c *client, stream uint32, block []byte) {
				c.must(c.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block, EndHeaders: true, PadLength: 255}))
			},
			"priority": func(c *client, stream uint32, block []byte) {
				c.must(c.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block, EndHeaders: true, Priority: priority}))
			},
			"both and continuation": func(c *client, stream uint32, block []byte) {
				c.must(c.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block[:3], PadLength: 9, Priority: priority}))
				c.must(c.WriteContinuation(stream, true, block[3:]))
			},
			"byte by byte": func(c *client, stream uint32, block []byte) {
				c.must(c.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block[:1]}))
				for i := range block[1 : len(block)-1] {
					c.must(c.WriteContinuation(stream, false, block[i+1:i+2]))
				}
				c.must(c.WriteContinuation(stream, true, block[len(block)-1:]))
			},
			"empty ones": func(c *client, stream uint32, block []byte) {
				c.must(c.WriteHeaders(http2.HeadersFrameParam{StreamID: stream}))
				c.must(c.WriteContinuation(stream, false, nil))
				c.must(c.WriteContinuation(stream, false, block))
				c.must(c.WriteContinuation(stream, true, nil))
			},
		}
		for name, send := range tests {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				c := dial(t, server.address)
				stream := c.newStream()
				send(c, stream, c.encode(post(path, "x-new", name)...))
				c.data(stream, true, name)
				c.wantReply(stream, "200", name)
				// END_STREAM is in HEADERS, whichever frame ends the block.
				stream = c.newStream()
				c.together(func() {
					send(c, stream, c.encode(post(path, "x-new", name)...))
					c.held.Bytes()[4] |= byte(http2.FlagHeadersEndStream)
				})
				c.wantReply(stream, "200", "")
			})
		}
	})
}

// What makes a request malformed (RFC 9113, 8.2 and 8.3).
func TestMalformedHeaders(t *testing.T) {
	t.Parallel()
	onEchoPaths(t, func(t *testing.T, server *running, path string) {
		method, scheme, target := []string{":method", "POST"}, []string{":scheme", "http"}, []string{":path", path}
		tests := map[string][]string{
			"no method":                     slices.Concat(scheme, target),
			"no scheme":                     slices.Concat(method, target),
			"no path":                       slices.Concat(method, scheme),
			"no fields at all":              nil,
			"an empty path":                 slices.Concat(method, scheme, []string{":path", ""}),
			"two methods":                   slices.Concat(method, method, scheme, target),
			"two paths":                     slices.Concat(method, scheme, target, target),
			"two schemes":                   slices.Concat(method, scheme, scheme, target),
			"two authorities":               post(path, ":authority", "kv.test"),
			"an unknown pseudo-header":      slices.Concat(method, scheme, target, []string{":unknown", "x"}),
			"a pseudo-header of replies":    slices.Concat(method, scheme, target, []string{":status", "200"}),
			"a pseudo-header after a field": slices.Concat(method, scheme, []string{"x-a", "b"}, target),
			"an upper-case name":            post(path, "X-Upper", "x"),
			"a name with a space":           post(path, "x y", "x"),
			"a name with a colon":           post(path, "x:y", "x"),
			"an empty name":                 post(path, "", "x"),
			"a value with a line end":       post(path, "x", "a\r\nb: c"),
			"a value with a NUL":            post(path, "x", "a\x00b"),
			"connection":                    post(path, "connection", "keep-alive"),
			"keep-alive":                    post(path, "keep-alive", "1"),
			"proxy-connection":              post(path, "proxy-connection", "keep-alive"),
			"transfer-encoding":             post(path, "transfer-encoding", "chunked"),
			"upgrade":                       post(path, "upgrade", "h2c"),
			"te":                            post(path, "te", "gzip"),
		}
		for name, fields := range tests {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				c := dial(t, server.address)
				c.wantMalformed(c.get(fields...))
				stream := c.open(fields...)
				c.data(stream, true, "body")
				c.wantMalformed(stream)
			})
		}
	})
}

// These look odd, and are none of a server's business.
func TestOddHeaders(t *testing.T) {
	t.Parallel()
	onEchoPaths(t, func(t *testing.T, server *running, path string) {
		for name, fields := range map[string][]string{
			"te: trailers":        post(path, "te", "trailers"),
			"no authority":        {":method", "POST", ":scheme", "http", ":path", path, "host", "kv.test"},
			"pseudo-header order": {":path", path, ":scheme", "http", ":authority", "kv.test", ":method", "POST"},
			"an empty value":      post(path, "x-empty", ""),
			"the same name twice": post(path, "x-a", "1", "x-a", "2"),
			"cookies":             post(path, "cookie", "a=1", "cookie", "b=2"),
			"a query":             post(path+"?a=b", "x-a", "1"),
			"bytes above ASCII":   post(path, "x-a", "\xff\xfe"),
			"https":               {":method", "POST", ":scheme", "https", ":authority", "kv.test", ":path", path},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				c := dial(t, server.address)
				stream := c.open(fields...)
				c.data(stream, true, name)
				c.wantReply(stream, "200", name)
			})
		}
	})
}

func TestMalformedTrailers(t *testing.T) {
	t.Parallel()
	onEchoPaths(t, func(t *testing.T, server *running, path string) {
		for name, trailers := range map[string]http2.HeadersFrameParam{
			"no end of the stream": {BlockFragment: literal("x-a", "b")},
			"a pseudo-header":      {BlockFragment: literal(":path", "/"), EndStream: true},
			"an upper-case name":   {BlockFragment: literal("X-A", "b"), EndStream: true},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				c := dial(t, server.address)
				stream := c.open(post(path)...)
				c.data(stream, false, "body")
				trailers.StreamID, trailers.EndHeaders = stream, true
				c.must(c.WriteHeaders(trailers))
				c.wantMalformed(stream)
			})
		}
	})
}

// literal is a block of a field that leaves the table alone. Its name and value are short.
func literal(name, value string) []byte {
	return slices.Concat([]byte{0, byte(len(name))}, []byte(name), []byte{byte(len(value))}, []byte(value))
}

// A header that is too large is answered, and those after it are understood.
func TestHeaderTooLarge(t *testing.T) {
	t.Parallel()
	onEchoPaths(t, func(t *testing.T, server *running, path string) {
		c := dial(t, server.address)
		c.until("settings", func() bool { return len(c.settings) > 0 })
		limit := c.settings[http2.SettingMaxHeaderListSize]
		if limit < maxHeaderBytes || limit > 2*maxHeaderBytes {
			t.Errorf("the server says that a header may have %d bytes, its setting is %d", limit, maxHeaderBytes)
		}
		fields := post(path, "x-indexed", "before")
		for i := range int(limit)/1000 + 1 {
			fields = append(fields, "x-"+strconv.Itoa(i), strings.Repeat("x", 1000))
		}
		stream := c.newStream()
		block := c.encode(fields...)
		pieces := slices.Collect(slices.Chunk(block, defaultFrameSize))
		c.must(c.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: pieces[0], EndStream: true, EndHeaders: len(pieces) == 1}))
		for i, piece := range pieces[1:] {
			c.must(c.WriteContinuation(stream, i == len(pieces)-2, piece))
		}
		if r := c.reply(stream); r.status != "431" {
			t.Errorf("%v, want status 431", r)
		}
		c.wantReply(c.post(path, "after it", fields[len(fields)-2:]...), "200", "after it") // indexed
		c.wantReply(c.post(path, "as large as allowed", "x-long", strings.Repeat("y", maxHeaderBytes-500)), "200", "as large as allowed")
	})
}

// A client that is refused for its header is told at once that its body is not wanted.
func TestBodyAfterHeaderTooLarge(t *testing.T) {
	t.Parallel()
	server := start(t)
	c := dial(t, server.address)
	fields := post("/v2/echo", "content-length", strconv.Itoa(100<<20))
	for i := range 2*maxHeaderBytes/1000 + 1 {
		fields = append(fields, "x-"+strconv.Itoa(i), strings.Repeat("x", 1000))
	}
	stream := c.newStream()
	pieces := slices.Collect(slices.Chunk(c.encode(fields...), defaultFrameSize))
	c.must(c.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: pieces[0]}))
	for i, piece := range pieces[1:] {
		c.must(c.WriteContinuation(stream, i == len(pieces)-2, piece))
	}
	r := c.at(stream)
	c.until("the reply", func() bool { return r.status != "" })
	c.wantAlive() // and what comes after the reply is here
	if r.status != "431" || r.reset == nil || *r.reset != http2.ErrCodeNo {
		t.Errorf("status %s, %v, want 431 and a reset with NO_ERROR", r.status, r)
	}
}

// The table of a client may change its size at any time, up to what the server allows.
func TestHeaderTable(t *testing.T) {
	t.Parallel()
	server := start(t)
	c := dial(t, server.address)
	for _, size := range []uint32{0, 4096, 100, 0, 4096} {
		c.encoder.SetMaxDynamicTableSize(size)
		for range 3 {
			c.wantReply(c.post("/v2/echo", "x", "x-a", "b"), "200", "x")
			c.wantReply(c.post("/", "x", "x-a", "b"), "200", "x")
		}
	}
}

// A client that keeps no table understands the replies.
func TestRepliesWithoutATable(t *testing.T) {
	t.Parallel()
	server := start(t)
	c := newClient(t, dialTCP(t, server.address))
	c.check(c.conn.Write([]byte(http2.ClientPreface)))
	c.configure(http2.Setting{ID: http2.SettingHeaderTableSize, Val: 0})
	c.until("the settings to hold", func() bool { return c.settingsAcks > 0 })
	c.decoder = hpack.NewDecoder(0, nil)
	for range 3 {
		c.wantReply(c.post("/v2/echo", "x"), "200", "x")
		c.wantReply(c.post("/", "x"), "200", "x")
		c.wantReply(c.get(post("/v2/refused")...), "401", "refused ")
	}
}

func TestReplyHeader(t *testing.T) {
	t.Parallel()
	server := start(t)
	c := dial(t, server.address)
	r := c.wantReply(c.post("/v2/echo", "four"), "200", "four")
	if r.field("content-type") != "text/echo" || r.field("content-length") != "4" || r.field("date") == "" {
		t.Errorf("%v", r.fields)
	}
	for _, field := range r.fields {
		if field.Name != strings.ToLower(field.Name) {
			t.Errorf("the name %s is not lower-case", field.Name)
		}
	}
	feed := c.at(c.post("/v2/feed", ""))
	c.until("the feed", func() bool { return feed.status != "" })
	if feed.field("content-length") != "" || feed.field("date") == "" {
		t.Errorf("a feed: %v", feed.fields)
	}
}

// The same bytes mean something else once the table has changed, however it was changed.
func TestHeaderOfTheSameBytes(t *testing.T) {
	t.Parallel()
	server := start(t)
	index := func(name, value string) []byte { // a literal that the table keeps
		block := literal(name, value)
		block[0] = 0x40
		return block
	}
	request := slices.Concat(literal(":method", "POST"), literal(":scheme", "http"), literal(":path", "/v2/refused"))
	newest := []byte{0x80 | 62}
	changes := map[string][]byte{
		"by a request":       slices.Concat(request, index("x-reason", "new")),
		"by a malformed one": slices.Concat(request, index("x-reason", "new"), literal("X", "y")),
		"by its size":        slices.Concat([]byte{0x20, 0x3f, 0xe1, 0x1f}, request, index("x-reason", "new")),
		"by one that is too large": slices.Concat(request,
			slices.Repeat(literal("x", "y"), maxHeaderBytes/30), index("x-reason", "new")),
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, server.address)
			send := func(block []byte) *reply {
				stream := c.newStream()
				c.must(c.WriteHeaders(http2.HeadersFrameParam{
					StreamID: stream, BlockFragment: block, EndStream: true, EndHeaders: true,
				}))
				return c.reply(stream)
			}
			send(slices.Concat(request, index("x-reason", "old")))
			same := slices.Concat(request, newest)
			for range 4 {
				if r := send(same); string(r.body) != "refused old" {
					t.Fatalf("%v: %s", r, r.body)
				}
			}
			send(change)
			for range 4 {
				if r := send(same); string(r.body) != "refused new" {
					t.Fatalf("after the change: %v: %s", r, r.body)
				}
			}
		})
	}
}
