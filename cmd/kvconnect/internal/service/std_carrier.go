package service

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/kvconnect/kvconnect/transport"
)

// stdCarrier is net/http, with its connections counted.
type stdCarrier struct {
	*http.Server

	mu    sync.Mutex
	conns map[net.Conn]*stdConn // guarded by mu
	http2 int                   // how many of them speak HTTP/2; guarded by mu
}

// stdConn is what is known of a connection. net/http tells what it speaks with a request.
type stdConn struct {
	isHTTP2 atomic.Bool // changes under the mu of the carrier
	closed  bool        // guarded by it
}

// stdConnKey is the key of the stdConn in the context of a request.
type stdConnKey struct{}

func newStdCarrier(server *http.Server) *stdCarrier {
	c := &stdCarrier{Server: server, conns: make(map[net.Conn]*stdConn)}
	next := server.Handler
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, ok := r.Context().Value(stdConnKey{}).(*stdConn); ok && r.ProtoMajor == 2 && !conn.isHTTP2.Load() {
			c.noteHTTP2(conn)
		}
		next.ServeHTTP(w, r)
	})
	server.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		known := new(stdConn)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.conns[conn] = known
		return context.WithValue(ctx, stdConnKey{}, known)
	}
	server.ConnState = func(conn net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			c.forget(conn)
		}
	}
	return c
}

func (c *stdCarrier) noteHTTP2(conn *stdConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !conn.closed && !conn.isHTTP2.Swap(true) {
		c.http2++
	}
}

func (c *stdCarrier) forget(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.conns[conn]
	if known == nil {
		return
	}
	delete(c.conns, conn)
	known.closed = true
	if known.isHTTP2.Load() {
		c.http2--
	}
}

// Serve implements carrier.
func (c *stdCarrier) Serve(listener net.Listener) error {
	return c.Server.Serve(transport.QuickAck(listener))
}

// Stats implements carrier. A connection without a request counts as one of HTTP/1.1.
func (c *stdCarrier) Stats() transport.Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return transport.Stats{HTTP1: len(c.conns) - c.http2, HTTP2: c.http2}
}
