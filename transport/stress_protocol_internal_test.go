package transport

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// A client that makes the table of the replies smaller is told that it is so, by the first
// header after that and no other.
func TestStressSmallTable(t *testing.T) {
	t.Parallel()
	_, addr := stressServer(t, newStressHandler(), nil)
	c := newStressClient(t, addr, http2.Setting{ID: http2.SettingHeaderTableSize, Val: 0})
	for i, want := range []bool{true, false} {
		c.get("/quick", 0)
		c.must(c.socket.SetReadDeadline(time.Now().Add(stressPatience)))
		for {
			frame, err := c.framer.ReadFrame()
			c.must(err)
			if head, ok := frame.(*http2.HeadersFrame); ok {
				if first := head.HeaderBlockFragment()[0]; (first == 0x20) != want {
					t.Errorf("header %d begins with %#x", i, first)
				}
				break
			}
		}
	}
}

// A header whose padding is longer than it ends the connection: the ones after it could not
// be read.
func TestStressHeaderOfPadding(t *testing.T) {
	t.Parallel()
	_, addr := stressServer(t, newStressHandler(), nil)
	c := newStressClient(t, addr)
	c.must(c.framer.WriteRawFrame(http2.FrameHeaders,
		http2.FlagHeadersPadded|http2.FlagHeadersEndHeaders|http2.FlagHeadersEndStream, 1, []byte{200, 0x82}))
	c.readUntil("the end", func() bool { return c.goAway != nil })
	if *c.goAway != http2.ErrCodeProtocol {
		t.Errorf("the connection ends with %v", *c.goAway)
	}
}

// Each change of the windows costs the server as much as there are streams, also if many
// come in one frame.
func TestStressManyWindowsInOneFrame(t *testing.T) {
	t.Parallel()
	const streams = 640
	_, addr := stressServer(t, newStressHandler(), nil)
	c := newStressClient(t, addr)
	for range streams {
		c.get("/feed", 1)
	}
	c.readUntil("the feeds", func() bool { return len(c.bodies) == streams })
	settings := make([]http2.Setting, maxFrameBytes/6)
	for i := range settings {
		settings[i] = http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(i)}
	}
	c.must(c.framer.WriteSettings(settings...))
	c.readUntil("the end", func() bool { return c.goAway != nil })
	if *c.goAway != http2.ErrCodeEnhanceYourCalm {
		t.Errorf("the connection ends with %v", *c.goAway)
	}
}

// A connection that has said all does not answer a ping: that would fail, and the system
// would take back what the client has not read.
func TestStressPingAfterTheEnd(t *testing.T) {
	t.Parallel()
	server, addr := stressServer(t, newStressHandler(), nil)
	c := newStressClient(t, addr)
	id := c.get("/quick", 1000)
	conn := stressConn(t, server)
	stressEventually(t, "the reply is on its way", func() bool {
		conn.mu.Lock()
		defer conn.mu.Unlock()
		return conn.lastID == id && len(conn.streams) == 0 && !conn.admitting && !conn.out.busy()
	})
	conn.mu.Lock()
	conn.beginDrain()
	conn.sendLastGoAway()
	conn.flush()
	conn.unlock()
	stressEventually(t, "all is said", func() bool {
		conn.mu.Lock()
		defer conn.mu.Unlock()
		return conn.stage == stageClosed
	})
	c.must(c.framer.WritePing(false, [8]byte{1}))
	stressEventually(t, "the ping is there", func() bool {
		conn.mu.Lock()
		defer conn.mu.Unlock()
		select {
		case <-conn.gone:
			return true
		default:
			return conn.out.pending != nil
		}
	})
	conn.mu.Lock()
	if conn.out.pending == nil {
		t.Error("the connection is broken by the answer to a ping")
	}
	conn.mu.Unlock()
	if err := c.readToEnd(); err != nil || len(c.bodies[id]) != 1000 {
		t.Errorf("the client gets %d bytes, then %v", len(c.bodies[id]), err)
	}
}

// What has arrived of a connection that is given up for its slowness is not served: the
// client was told that it is not, and sends it again.
func TestStressNothingIsServedAfterTheLastGoAway(t *testing.T) {
	t.Parallel()
	server, addr := stressServer(t, newStressHandler(), nil)
	c := newStressClient(t, addr)
	id := c.get("/quick", 1)
	c.readUntil("the reply", func() bool { return c.ended[id] })
	conn := stressConn(t, server)
	conn.mu.Lock()
	conn.endBy(http2.ErrCodeProtocol)
	begun, err := conn.beginStream(id + 2)
	conn.unlock()
	if begun || err != nil {
		t.Errorf("a stream begins: %t, %v", begun, err)
	}
}

// A client may send trailers before it knows that the server has ended the stream, however
// many others have ended since.
func TestStressTrailersOfForgottenStreams(t *testing.T) {
	t.Parallel()
	_, addr := stressServer(t, newStressHandler(), nil)
	c := newStressClient(t, addr)
	var ids []uint32
	for range 200 {
		ids = append(ids, c.request("/refused", false))
	}
	for _, id := range ids {
		c.block.Reset()
		c.must(c.hpack.WriteField(stressTrailer))
		c.must(c.framer.WriteHeaders(http2.HeadersFrameParam{
			StreamID: id, BlockFragment: c.block.Bytes(), EndStream: true, EndHeaders: true,
		}))
	}
	last := c.get("/quick", 1)
	c.readUntil("the reply", func() bool { return c.ended[last] || c.goAway != nil })
	if c.goAway != nil {
		t.Errorf("the connection ends with %v", *c.goAway)
	}
}

// The clock of the machine may be set; timeouts do not go by it.
func TestStressClock(t *testing.T) {
	t.Parallel()
	s := New(&http.Server{ReadHeaderTimeout: time.Minute}, newStressHandler(), Options{})
	if clock := time.Duration(s.clock.Load()); clock <= 0 || clock > time.Hour {
		t.Errorf("the clock is at %v when the server begins", clock)
	}
	if date := string(*s.date.Load()); !strings.Contains(date, time.Now().UTC().Format("2006")) {
		t.Errorf("the date is %q", date)
	}
}

// The network may be away for longer than a header may take, in the midst of a frame. The
// requests under way are answered.
func TestStressPauseInAFrameWithARequestUnderWay(t *testing.T) {
	t.Parallel()
	const limit = 200 * time.Millisecond
	handler := newStressHandler()
	_, addr := stressServer(t, handler, func(s *http.Server, _ *Options) { s.ReadHeaderTimeout = limit })
	c := newStressClient(t, addr)
	feed := c.get("/feed", 1)
	upload := c.request("/slow", false)
	var frame strings.Builder
	c.must(http2.NewFramer(&frame, nil).WriteData(upload, true, make([]byte, 100)))
	half := frame.Len() / 2
	_, err := c.socket.Write([]byte(frame.String()[:half]))
	c.must(err)
	<-time.After(8 * limit)
	_, err = c.socket.Write([]byte(frame.String()[half:]))
	c.must(err)
	c.readUntil("the reply", func() bool { return c.ended[upload] || c.goAway != nil })
	if c.goAway != nil || len(c.bodies[feed]) == 0 {
		t.Errorf("the connection is ended")
	}
}
