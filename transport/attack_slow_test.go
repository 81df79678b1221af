package transport_test

import (
	"io"
	"net"
	"strconv"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// Connections on which nothing is under way hold next to nothing.
func TestIdleConnections(t *testing.T) { //nolint:paralleltest // see TestRapidReset
	const (
		conns        = 2000
		maxConnBytes = 40 << 10 // both ends of it; the race detector makes them three times as large
	)
	kinds := []func(c *client){
		(*client).sync,
		(*client).wantAlive,
		func(c *client) {
			r := c.at(c.get(post("/v2/feed")...))
			c.until("the feed", func() bool { return len(r.body) > 0 })
		},
	}
	a := besiege(t)
	before := measure()
	open := make([]net.Conn, conns)
	for i := range open {
		c := dial(t, a.server.address)
		kinds[i%len(kinds)](c)
		open[i] = c.conn
	}
	after := measure()
	each := int64(after.bytes-before.bytes) / conns
	t.Logf("%d bytes and %.2f goroutines for each of %d idle connections",
		each, float64(after.goroutines-before.goroutines)/conns, conns)
	if each > maxConnBytes {
		t.Errorf("%d bytes for each connection, want at most %d", each, maxConnBytes)
	}
	for _, conn := range open {
		_ = conn.Close()
	}
	a.over()
}

// Hundreds of connections that say next to nothing are closed after their time, and those
// that do speak are served meanwhile.
func TestSlowHeaders(t *testing.T) { //nolint:paralleltest // see TestRapidReset
	const conns = 500
	a := besiege(t, func(s *setup) { s.http.ReadHeaderTimeout = time.Second })
	begun := []string{"", "P", http2.ClientPreface, http2.ClientPreface + "\x00\x00\x06\x04", "POST / HTTP/1.1\r\nX: "}
	slow := make([]net.Conn, conns)
	for i := range slow {
		slow[i] = dialTCP(t, a.server.address)
		if _, err := io.WriteString(slow[i], begun[i%len(begun)]); err != nil {
			t.Fatal(err)
		}
	}
	a.bounded(5 * conns)
	dial(t, a.server.address).wantAlive()
	for _, conn := range slow {
		if _, err := io.Copy(io.Discard, conn); err != nil && !isClosed(err) {
			t.Fatalf("the connection is not closed: %v", err)
		}
	}
	a.over()
}

// Who reads many large replies by the byte makes the server work by the byte, but for no
// one else.
func TestTinyWindows(t *testing.T) { //nolint:paralleltest // see TestRapidReset
	for _, path := range bigPaths { //nolint:paralleltest // see TestRapidReset
		t.Run(path, func(t *testing.T) {
			a := besiege(t)
			at := a.attacker(true, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1})
			block := at.encodeLiteral(post(path)...)
			for range maxStreams {
				stream := at.newStream()
				at.must(at.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block, EndHeaders: true}))
				at.must(at.WriteData(stream, true, []byte(strconv.Itoa(maxBigBytes))))
			}
			stream := uint32(1)
			at.flood(manyFrames, func() {
				at.must(at.WriteWindowUpdate(stream, 1))
				stream = (stream + 2) % (2 * maxStreams)
			})
			a.bounded(maxAttackGoes)
			_ = at.conn.Close()
			a.over()
		})
	}
}
