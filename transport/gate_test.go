package transport_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/kvconnect/kvconnect/transport"
	"golang.org/x/net/http2"
)

// countingHandler is a slog.Handler that counts what it is told.
type countingHandler struct {
	slog.Handler
	lines *atomic.Int64
}

func (h countingHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h countingHandler) Handle(context.Context, slog.Record) error {
	h.lines.Add(1)
	return nil
}

// startGated starts a server behind a gate.
func startGated(t *testing.T, options transport.GateOptions, changes ...func(*setup)) (*running, *transport.Gate) {
	t.Helper()
	gate := transport.NewGate(options)
	return start(t, append(changes, func(s *setup) { s.gate = gate })...), gate
}

// Beyond the maximum a client is told so in its own protocol, those that are in go on, and
// the place of one that leaves is free.
func TestGate(t *testing.T) {
	t.Parallel()
	const most = 3
	bounds := map[string]transport.GateOptions{
		"of all":        {MaxConnections: most},
		"of an address": {MaxPerAddress: most, MaxConnections: 100},
	}
	refusals := map[string]func(t *testing.T, server *running){
		"HTTP1": func(t *testing.T, server *running) {
			t.Helper()
			wantRefusedHTTP1(t, dialTCP(t, server.address))
		},
		"HTTP2": func(t *testing.T, server *running) {
			t.Helper()
			c := dial(t, server.address)
			first := c.open(post("/v2/hello")...)
			c.get(post("/v2/hello")...)
			if r := c.reply(first); r.status != "503" || r.field("retry-after") == "" || !strings.Contains(string(r.body), "maximum of connections") {
				t.Errorf("%v, %v: %q", r, r.fields, r.body)
			}
			c.wantGoAway(http2.ErrCodeNo)
			if got := c.goAways[0].last; got != first {
				t.Errorf("the last request looked at is %d", got)
			}
		},
		"TLS": func(t *testing.T, server *running) {
			t.Helper()
			conn := tls.Client(dialTCP(t, server.address), &tls.Config{ServerName: "kv.test", MinVersion: tls.VersionTLS12})
			if err := conn.HandshakeContext(t.Context()); err == nil {
				t.Error("a refused connection has had its handshake")
			}
		},
		"silence": func(t *testing.T, server *running) {
			t.Helper()
			if _, err := io.ReadAll(dialTCP(t, server.address)); err != nil && !isClosed(err) {
				t.Error(err)
			}
		},
	}
	for name, options := range bounds {
		for kind, wantRefused := range refusals {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				server, gate := startGated(t, options)
				in := []*client{dial(t, server.address), dial(t, server.address)}
				idle := dialTCP(t, server.address) // speaks HTTP/1.1
				wantHTTP1(t, idle)
				for _, c := range in {
					c.wantAlive()
				}
				wantRefused(t, server)
				for _, c := range in {
					c.wantAlive()
				}
				if got := gate.Stats(); got != (transport.GateStats{Open: most, Max: options.MaxConnections, Accepted: most, Refused: 1}) {
					t.Errorf("%+v", got)
				}
				if got := server.Stats(); got != (transport.Stats{HTTP1: 1, HTTP2: 2}) {
					t.Errorf("%+v", got)
				}
				if err := idle.Close(); err != nil {
					t.Fatal(err)
				}
				for gate.Stats().Open == most { // until the server knows
					in[0].wantAlive()
				}
				dial(t, server.address).wantAlive()
			})
		}
	}
}

// wantHTTP1 makes a request on a connection, which stays open.
func wantHTTP1(t *testing.T, conn net.Conn) {
	t.Helper()
	if got := askHTTP1(t, conn); got.status != http.StatusOK {
		t.Fatalf("status %d", got.status)
	}
}

// refusedReply is what a reply of HTTP/1.1 says of a refusal.
type refusedReply struct {
	status int
	// explained tells that it names the reason and when to come again, and closes.
	explained bool
}

func askHTTP1(t *testing.T, conn net.Conn) refusedReply {
	t.Helper()
	if _, err := io.WriteString(conn, "POST /a HTTP/1.1\r\nHost: kv.test\r\nContent-Length: 4\r\n\r\nbody"); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return refusedReply{
		status: response.StatusCode,
		explained: strings.Contains(string(body), "maximum of connections") &&
			response.Header.Get("Retry-After") != "" && response.Close,
	}
}

func wantRefusedHTTP1(t *testing.T, conn net.Conn) {
	t.Helper()
	if got := askHTTP1(t, conn); got.status != http.StatusServiceUnavailable || !got.explained {
		t.Errorf("%+v", got)
	}
}

// The bound holds for net/http alone and under TLS too.
func TestGateOfOtherServers(t *testing.T) {
	t.Parallel()
	t.Run("net/http", func(t *testing.T) {
		t.Parallel()
		gate := transport.NewGate(transport.GateOptions{MaxConnections: 1})
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{ReadHeaderTimeout: patience, Handler: http.NotFoundHandler()}
		served := make(chan error, 1)
		go func() { served <- server.Serve(transport.QuickAck(gate.Listen(listener))) }()
		first := dialTCP(t, listener.Addr().String())
		if got := askHTTP1(t, first); got.status != http.StatusNotFound {
			t.Errorf("status %d", got.status)
		}
		wantRefusedHTTP1(t, dialTCP(t, listener.Addr().String()))
		if err := server.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		if got := gate.Stats(); got != (transport.GateStats{Max: 1, Accepted: 1, Refused: 1}) {
			t.Errorf("after the end: %+v", got)
		}
	})
	t.Run("TLS", func(t *testing.T) {
		t.Parallel()
		var trust *tls.Config
		server, gate := startGated(t, transport.GateOptions{MaxConnections: 2}, func(s *setup) { s.tls, trust = selfSigned(t) })
		for _, isHTTP2 := range []bool{true, false} {
			client, base := httpClient(t, server, trust, isHTTP2)
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/a", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			response, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
		}
		conn := tls.Client(dialTCP(t, server.address), trust)
		if err := conn.HandshakeContext(t.Context()); err == nil {
			t.Error("a refused connection has had its handshake")
		}
		if got := gate.Stats(); got.Open != 2 || got.Refused != 1 {
			t.Errorf("%+v", got)
		}
		if got := server.Stats(); got != (transport.Stats{HTTP1: 1, HTTP2: 1}) {
			t.Errorf("%+v", got)
		}
	})
}

// In a flood all are refused, most without a word, who is in is served meanwhile, and the log
// has a line.
func TestGateInAFlood(t *testing.T) {
	t.Parallel()
	const flooders, each = 8, 200
	var lines atomic.Int64
	server, gate := startGated(t, transport.GateOptions{
		MaxConnections: 1, Logger: slog.New(countingHandler{Handler: slog.DiscardHandler, lines: &lines}),
	})
	c := dial(t, server.address)
	c.wantAlive()
	var flood sync.WaitGroup
	for range flooders {
		flood.Go(func() {
			for range each {
				conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.address)
				if err == nil {
					_, _ = io.WriteString(conn, http2.ClientPreface)
					_ = conn.Close()
				} else if !isClosed(err) {
					t.Error(err)
				}
			}
		})
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		flood.Wait()
	}()
	for open := true; open; {
		c.wantAlive()
		select {
		case <-over:
			open = false
		default:
		}
	}
	for gate.Stats().Refused < flooders*each {
		c.wantAlive()
	}
	if got := gate.Stats(); got.Open != 1 || got.Accepted != 1 {
		t.Errorf("%+v", got)
	}
	if got := lines.Load(); got != 1 {
		t.Errorf("the log has %d lines", got)
	}
}

// The end of the server does not wait for clients that are being told.
func TestGateClosesWhileRefusing(t *testing.T) {
	t.Parallel()
	server, gate := startGated(t, transport.GateOptions{MaxConnections: 1})
	in := dial(t, server.address)
	in.wantAlive()
	for range 10 {
		dialTCP(t, server.address)
	}
	for gate.Stats().Refused < 10 {
		in.wantAlive()
	}
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if got := gate.Stats().Open; got != 0 {
		t.Errorf("%d connections are left", got)
	}
}
