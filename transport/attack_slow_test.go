package transport_test

import (
	"crypto/tls"
	"io"
	"net"
	"strconv"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// What both ends of an idle connection may hold. The race detector makes them three times as
// large.
const (
	idleConnections       = 2000
	maxIdleHTTP2Bytes     = 40 << 10
	maxIdleHTTP1Bytes     = 60 << 10
	maxIdleOverTLSBytes   = 100 << 10
	maxIdleConnGoroutines = 1.1
)

// idleKinds are ways to leave a connection of HTTP/2 with nothing under way.
var idleKinds = []func(c *client){
	(*client).sync,
	(*client).wantAlive,
	func(c *client) {
		r := c.at(c.get(post("/v2/feed")...))
		c.until("the feed", func() bool { return len(r.body) > 0 })
	},
}

// Connections on which nothing is under way hold next to nothing.
func TestIdleConnections(t *testing.T) { //nolint:paralleltest // see TestRapidReset
	t.Run("HTTP2", func(t *testing.T) { //nolint:paralleltest // see TestRapidReset
		a := besiege(t)
		closeAll := wantSmall(t, maxIdleHTTP2Bytes, func(i int) net.Conn {
			c := dial(t, a.server.address)
			idleKinds[i%len(idleKinds)](c)
			return c.conn
		})
		closeAll()
		a.over()
	})
	t.Run("HTTP1", func(t *testing.T) { //nolint:paralleltest // see TestRapidReset
		a := besiege(t)
		closeAll := wantSmall(t, maxIdleHTTP1Bytes, func(int) net.Conn {
			conn := dialTCP(t, a.server.address)
			wantHTTP1(t, conn)
			return conn
		})
		closeAll()
		a.over()
	})
	t.Run("TLS", func(t *testing.T) { //nolint:paralleltest // see TestRapidReset
		var trust *tls.Config
		server := start(t, func(s *setup) { s.tls, trust = selfSigned(t) })
		trust.NextProtos = []string{"h2"}
		closeAll := wantSmall(t, maxIdleOverTLSBytes, func(i int) net.Conn {
			c := greet(t, tls.Client(dialTCP(t, server.address), trust))
			idleKinds[i%len(idleKinds)](c)
			return c.conn
		})
		closeAll()
	})
}

// wantSmall opens connections, and looks at what they hold.
func wantSmall(t *testing.T, maxBytes int64, open func(i int) net.Conn) (closeAll func()) {
	t.Helper()
	before := measure()
	conns := make([]net.Conn, idleConnections)
	for i := range conns {
		conns[i] = open(i)
	}
	after := measure()
	bytes := int64(after.bytes-before.bytes) / idleConnections
	goroutines := float64(after.goroutines-before.goroutines) / idleConnections
	t.Logf("%d bytes and %.2f goroutines for each of %d idle connections", bytes, goroutines, idleConnections)
	if bytes > maxBytes || goroutines > maxIdleConnGoroutines {
		t.Errorf("%d bytes and %.2f goroutines for each connection, want at most %d and %.1f", bytes, goroutines, maxBytes, maxIdleConnGoroutines)
	}
	return func() {
		for _, conn := range conns {
			_ = conn.Close()
		}
	}
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
