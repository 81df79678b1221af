package transport_test

import (
	"fmt"
	"io"
	"testing"

	"golang.org/x/net/http2"
)

// What ends a connection, and with which error (RFC 9113, 5 and 6).
func TestConnectionErrors(t *testing.T) {
	t.Parallel()
	server := start(t)
	raw := func(kind http2.FrameType, flags http2.Flags, stream uint32, payload ...byte) func(*client) {
		return func(c *client) { c.must(c.WriteRawFrame(kind, flags, stream, payload)) }
	}
	setting := func(id http2.SettingID, value uint32) func(*client) {
		return func(c *client) { c.must(c.WriteSettings(http2.Setting{ID: id, Val: value})) }
	}
	const size, flow, protocol = http2.ErrCodeFrameSize, http2.ErrCodeFlowControl, http2.ErrCodeProtocol
	const endHeaders = http2.FlagHeadersEndHeaders
	tests := map[string]struct {
		send func(*client)
		code http2.ErrCode
	}{
		"DATA on the connection":                 {raw(http2.FrameData, 0, 0, 'a'), protocol},
		"DATA on an idle stream":                 {raw(http2.FrameData, 0, 101, 'a'), protocol},
		"DATA on an even stream":                 {raw(http2.FrameData, 0, 2, 'a'), protocol},
		"DATA with more padding than payload":    {func(c *client) { raw(http2.FrameData, http2.FlagDataPadded, c.open(post("/v2/echo")...), 9, 'a')(c) }, protocol},
		"DATA padded without a length":           {func(c *client) { raw(http2.FrameData, http2.FlagDataPadded, c.open(post("/v2/echo")...))(c) }, size},
		"HEADERS on the connection":              {raw(http2.FrameHeaders, endHeaders, 0, 0x83), protocol},
		"HEADERS on an even stream":              {func(c *client) { c.last = 1; raw(http2.FrameHeaders, endHeaders, 2, c.encode(post("/")...)...)(c) }, protocol},
		"HEADERS with more padding than payload": {raw(http2.FrameHeaders, endHeaders|http2.FlagHeadersPadded, 99, 9, 0x83), protocol},
		"HEADERS with half a priority":           {raw(http2.FrameHeaders, endHeaders|http2.FlagHeadersPriority, 99, 0, 0, 0), size},
		"HEADERS within a header": {func(c *client) {
			raw(http2.FrameHeaders, 0, 99)(c)
			raw(http2.FrameHeaders, endHeaders, 101, c.encode(post("/")...)...)(c)
		}, protocol},
		"PING within a header":               {func(c *client) { raw(http2.FrameHeaders, 0, 99)(c); c.must(c.WritePing(false, [8]byte{})) }, protocol},
		"unknown frame within a header":      {func(c *client) { raw(http2.FrameHeaders, 0, 99)(c); raw(0xfa, 0, 99)(c) }, protocol},
		"CONTINUATION of another stream":     {func(c *client) { raw(http2.FrameHeaders, 0, 99)(c); raw(http2.FrameContinuation, endHeaders, 101)(c) }, protocol},
		"CONTINUATION of nothing":            {raw(http2.FrameContinuation, endHeaders, 99, 0x83), protocol},
		"CONTINUATION of a whole header":     {func(c *client) { raw(http2.FrameContinuation, endHeaders, c.open(post("/v2/slow")...))(c) }, protocol},
		"a header that cannot be decoded":    {raw(http2.FrameHeaders, endHeaders, 99, 0xff, 0xff, 0xff, 0xff, 0xff), http2.ErrCodeCompression},
		"an index of no entry":               {raw(http2.FrameHeaders, endHeaders, 99, 0xbe), http2.ErrCodeCompression},
		"a header that is cut":               {raw(http2.FrameHeaders, endHeaders, 99, 0x83, 0x40, 5, 'a'), http2.ErrCodeCompression},
		"a table larger than allowed":        {raw(http2.FrameHeaders, endHeaders, 99, 0x3f, 0xe2, 0x1f), http2.ErrCodeCompression},
		"a trailer that cannot be decoded":   {func(c *client) { raw(http2.FrameHeaders, endHeaders|1, c.open(post("/v2/echo")...), 0xff, 0x7f)(c) }, http2.ErrCodeCompression},
		"PRIORITY on the connection":         {raw(http2.FramePriority, 0, 0, 0, 0, 0, 0, 0), protocol},
		"RST_STREAM on the connection":       {raw(http2.FrameRSTStream, 0, 0, 0, 0, 0, 8), protocol},
		"RST_STREAM on an idle stream":       {raw(http2.FrameRSTStream, 0, 101, 0, 0, 0, 8), protocol},
		"RST_STREAM of three bytes":          {func(c *client) { raw(http2.FrameRSTStream, 0, c.open(post("/v2/slow")...), 0, 0, 8)(c) }, size},
		"SETTINGS on a stream":               {raw(http2.FrameSettings, 0, 1), protocol},
		"SETTINGS that acknowledge and set":  {raw(http2.FrameSettings, http2.FlagSettingsAck, 0, 0, 4, 0, 0, 0, 1), size},
		"SETTINGS of five bytes":             {raw(http2.FrameSettings, 0, 0, 0, 4, 0, 0, 0), size},
		"ENABLE_PUSH of 2":                   {setting(http2.SettingEnablePush, 2), protocol},
		"INITIAL_WINDOW_SIZE of 2^31":        {setting(http2.SettingInitialWindowSize, 1<<31), flow},
		"MAX_FRAME_SIZE too small":           {setting(http2.SettingMaxFrameSize, 1<<14-1), protocol},
		"MAX_FRAME_SIZE too large":           {setting(http2.SettingMaxFrameSize, 1<<24), protocol},
		"PUSH_PROMISE":                       {raw(http2.FramePushPromise, endHeaders, 1, 0, 0, 0, 2, 0x83), protocol},
		"PING on a stream":                   {raw(http2.FramePing, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8), protocol},
		"PING of seven bytes":                {raw(http2.FramePing, 0, 0, 1, 2, 3, 4, 5, 6, 7), size},
		"GOAWAY on a stream":                 {raw(http2.FrameGoAway, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0), protocol},
		"WINDOW_UPDATE of three bytes":       {raw(http2.FrameWindowUpdate, 0, 0, 0, 0, 1), size},
		"WINDOW_UPDATE of the connection, 0": {raw(http2.FrameWindowUpdate, 0, 0, 0, 0, 0, 0), protocol},
		"WINDOW_UPDATE on an idle stream":    {raw(http2.FrameWindowUpdate, 0, 101, 0, 0, 0, 1), protocol},
		"a frame that is too large":          {func(c *client) { raw(http2.FrameData, 0, c.open(post("/v2/echo")...), make([]byte, 1<<20)...)(c) }, size},
		"a large frame of no known type":     {raw(0xfa, 0, 0, make([]byte, 1<<20)...), size},
		"a window of the connection above 2^31-1": {func(c *client) {
			c.must(c.WriteWindowUpdate(0, 1<<31-1))
		}, flow},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, server.address)
			c.until("settings", func() bool { return c.settingsAcks > 0 })
			test.send(c)
			c.wantGoAway(test.code)
		})
	}
}

// What ends one stream, and leaves the others alone.
func TestStreamErrors(t *testing.T) {
	t.Parallel()
	server := start(t)
	tests := map[string]struct {
		send func(c *client, stream uint32)
		code http2.ErrCode
	}{
		"WINDOW_UPDATE of 0": {func(c *client, stream uint32) { c.must(c.WriteWindowUpdate(stream, 0)) }, http2.ErrCodeProtocol},
		"a window above 2^31-1": {func(c *client, stream uint32) {
			c.must(c.WriteWindowUpdate(stream, 1<<31-1))
		}, http2.ErrCodeFlowControl},
		"DATA after the end": {func(c *client, stream uint32) { c.must(c.WriteData(stream, false, []byte("a"))) }, http2.ErrCodeStreamClosed},
		"HEADERS after the end": {func(c *client, stream uint32) {
			c.must(c.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: c.encode("x-a", "b"), EndStream: true, EndHeaders: true}))
		}, http2.ErrCodeStreamClosed},
	}
	for name, test := range tests {
		for _, path := range []string{"/v2/slow", "/idle"} {
			t.Run(name+path, func(t *testing.T) {
				t.Parallel()
				c := dial(t, server.address)
				stream := c.get(post(path)...)
				c.wantAlive()
				test.send(c, stream)
				c.wantReset(stream, test.code)
			})
		}
	}
}

// What may end a stream or the connection.
func TestErrorsOfEither(t *testing.T) {
	t.Parallel()
	server := start(t)
	tests := map[string]struct {
		send func(c *client, stream uint32)
		code http2.ErrCode
	}{
		"PRIORITY of four bytes": {func(c *client, stream uint32) {
			c.must(c.WriteRawFrame(http2.FramePriority, 0, stream, make([]byte, 4)))
		}, http2.ErrCodeFrameSize},
		"HEADERS of an old stream": {func(c *client, stream uint32) {
			c.last = stream + 100
			c.wantAlive()
			c.must(c.WriteHeaders(http2.HeadersFrameParam{
				StreamID: stream + 2, BlockFragment: c.encode(post("/")...), EndStream: true, EndHeaders: true,
			}))
		}, http2.ErrCodeStreamClosed},
		"DATA of a request that was answered": {func(c *client, stream uint32) {
			c.must(c.WriteData(stream-2, false, []byte("a")))
		}, http2.ErrCodeStreamClosed},
		"HEADERS of a request that was answered": {func(c *client, stream uint32) {
			c.must(c.WriteHeaders(http2.HeadersFrameParam{
				StreamID: stream - 2, BlockFragment: c.encode("x-a", "b"), EndStream: true, EndHeaders: true,
			}))
		}, http2.ErrCodeStreamClosed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, server.address)
			c.wantAlive()
			test.send(c, c.get(post("/v2/slow")...))
			c.wantError(test.code)
		})
	}
}

// wantError waits for any stream or the connection to be ended for an error.
func (c *client) wantError(code http2.ErrCode) {
	c.t.Helper()
	var got []http2.ErrCode
	c.until(fmt.Sprintf("an error %v", code), func() bool {
		for _, r := range c.replies {
			if r.reset != nil {
				got = append(got, *r.reset)
			}
		}
		for _, goAway := range c.goAways {
			got = append(got, goAway.code)
		}
		return len(got) > 0
	})
	if got[0] != code {
		c.t.Fatalf("ended with %v, want %v", got[0], code)
	}
}

// What means nothing to the server, and changes nothing.
func TestFramesWithoutEffect(t *testing.T) {
	t.Parallel()
	onEchoPaths(t, func(t *testing.T, server *running, path string) {
		priority := http2.PriorityParam{StreamDep: 1001, Weight: 7}
		tests := map[string]func(c *client, stream uint32){
			"a frame of no known type":          func(c *client, stream uint32) { c.must(c.WriteRawFrame(0xfa, 0xff, stream, make([]byte, 100))) },
			"the same on the connection":        func(c *client, _ uint32) { c.must(c.WriteRawFrame(0xfa, 0xff, 0, nil)) },
			"no known setting":                  func(c *client, _ uint32) { c.configure(http2.Setting{ID: 0xfafa, Val: 7}) },
			"no settings":                       func(c *client, _ uint32) { c.configure() },
			"a setting twice":                   func(c *client, _ uint32) { c.configure(http2.Setting{ID: 3, Val: 0}, http2.Setting{ID: 3, Val: 9}) },
			"an answer to no ping":              func(c *client, _ uint32) { c.must(c.WritePing(true, [8]byte{1})) },
			"priority":                          func(c *client, stream uint32) { c.must(c.WritePriority(stream, priority)) },
			"priority of an idle stream":        func(c *client, _ uint32) { c.must(c.WritePriority(1<<30+1, priority)) },
			"priority update":                   func(c *client, stream uint32) { c.must(c.WritePriorityUpdate(stream, "u=1")) },
			"flags of no meaning":               func(c *client, stream uint32) { c.must(c.WriteRawFrame(http2.FrameData, 0xf6, stream, nil)) },
			"the reserved bit":                  func(c *client, stream uint32) { c.must(c.WriteRawFrame(http2.FrameData, 0, 1<<31|stream, nil)) },
			"window of a stream that is closed": func(c *client, stream uint32) { c.must(c.WriteWindowUpdate(stream-2, 1)) },
			"reset of a stream that is closed":  func(c *client, stream uint32) { c.must(c.WriteRSTStream(stream-2, http2.ErrCodeCancel)) },
		}
		for name, send := range tests {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				c := dial(t, server.address)
				c.wantAlive()
				stream := c.open(post(path)...)
				send(c, stream)
				c.data(stream, true, "body")
				c.wantReply(stream, "200", "body")
			})
		}
	})
}

func TestPingAndSettingsAreAnswered(t *testing.T) {
	t.Parallel()
	server := start(t)
	c := dial(t, server.address)
	c.until("the server's settings", func() bool { return len(c.settings) > 0 && c.settingsAcks == 1 })
	if push, ok := c.settings[http2.SettingEnablePush]; ok && push != 0 {
		t.Error("a server must not enable push")
	}
	streams := c.settings[http2.SettingMaxConcurrentStreams]
	if streams != maxStreams {
		t.Errorf("the server allows %d streams, want %d", streams, maxStreams)
	}
	c.together(func() {
		for i := range byte(100) {
			c.must(c.WritePing(false, [8]byte{i, 7: 1}))
			c.configure()
		}
	})
	c.until("the answers", func() bool { return len(c.pongs) == 100 && c.settingsAcks == 101 })
	for i, pong := range c.pongs {
		if pong != [8]byte{byte(i), 7: 1} {
			t.Errorf("ping %d was answered with %v", i, pong)
		}
	}
}

// A client that will send no more requests still gets its replies, and may change its mind.
func TestGoAwayOfTheClient(t *testing.T) {
	t.Parallel()
	server := start(t)
	c := dial(t, server.address)
	slow, idle := c.post("/v2/slow", "slow"), c.post("/idle", "")
	receive(t, "a slow call", server.calls.begun)
	receive(t, "a slow request", server.calls.begun)
	c.must(c.WriteGoAway(0, http2.ErrCodeNo, []byte("bye")))
	c.must(c.WriteWindowUpdate(0, 1))
	server.calls.release()
	c.wantReply(slow, "200", "slow")
	c.wantReply(idle, "200", "")
}

// What does not begin with a preface and SETTINGS is no HTTP/2.
func TestNoSettings(t *testing.T) {
	t.Parallel()
	server := start(t)
	c := newClient(t, dialTCP(t, server.address))
	c.check(io.WriteString(c.conn, http2.ClientPreface))
	c.must(c.WritePing(false, [8]byte{}))
	c.wantGoAway(http2.ErrCodeProtocol)
}

// All of a conversation may arrive in pieces of any size.
func TestByteByByte(t *testing.T) {
	t.Parallel()
	onEchoPaths(t, func(t *testing.T, server *running, path string) {
		c := newClient(t, dialTCP(t, server.address))
		c.holding = true
		c.check(io.WriteString(c, http2.ClientPreface))
		c.configure()
		stream := c.open(post(path, "x-a", "b")...)
		c.data(stream, true, "slowly")
		c.holding = false
		for _, b := range c.held.Bytes() {
			c.check(c.conn.Write([]byte{b}))
		}
		c.held.Reset()
		c.wantReply(stream, "200", "slowly")
	})
}

// More requests than one read of the server takes, all at once.
func TestManyRequestsTogether(t *testing.T) {
	t.Parallel()
	onEchoPaths(t, func(t *testing.T, server *running, path string) {
		c := dial(t, server.address)
		streams := make([]uint32, maxStreams)
		for range 5 {
			c.together(func() {
				for i := range streams {
					streams[i] = c.open(post(path)...)
					c.data(streams[i], false, "one of ")
					c.data(streams[i], true, "many")
				}
			})
			for _, stream := range streams {
				c.wantReply(stream, "200", "one of many")
			}
		}
	})
}
