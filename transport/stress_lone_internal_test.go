package transport

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// Whatever ends a connection while a call is alone on it, or just when another goroutine
// goes on with the connection, ends it once; and what can be answered is.
func TestStressLoneCallAtTheEnd(t *testing.T) {
	t.Parallel()
	const rounds = 60
	for name, end := range map[string]struct {
		do       func(server *Server, conn *conn, c *stressClient, id uint32)
		answered bool
	}{
		"the client closes its side": {func(_ *Server, _ *conn, c *stressClient, _ uint32) { c.must(c.socket.CloseWrite()) }, true},
		"the client closes":          {func(_ *Server, _ *conn, c *stressClient, _ uint32) { c.must(c.socket.Close()) }, false},
		"the client resets the connection": {func(_ *Server, _ *conn, c *stressClient, _ uint32) {
			c.must(c.socket.SetLinger(0))
			c.must(c.socket.Close())
		}, false},
		"the client takes the call back": {func(_ *Server, _ *conn, c *stressClient, id uint32) {
			c.must(c.framer.WriteRSTStream(id, http2.ErrCodeCancel))
			c.must(c.socket.CloseWrite())
		}, false},
		"the client breaks the rules": {func(_ *Server, _ *conn, c *stressClient, _ uint32) {
			c.must(c.framer.WriteData(0, true, nil))
		}, false},
		"the server drains": {func(_ *Server, conn *conn, _ *stressClient, _ uint32) { conn.drain() }, true},
		"the server cuts":   {func(_ *Server, conn *conn, _ *stressClient, _ uint32) { conn.cut() }, false},
		"shutdown": {func(server *Server, _ *conn, _ *stressClient, _ uint32) {
			go func() { _ = server.Shutdown(context.Background()) }() // the test waits for the connection
		}, true},
		"close": {func(server *Server, _ *conn, _ *stressClient, _ uint32) { _ = server.Close() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range rounds {
				handler := newStressHandler()
				var isLast atomic.Bool
				begun, takes := make(chan struct{}), rand.N(3*loneTimeout)
				handler.slow = func(context.Context) {
					if isLast.Load() {
						close(begun)
						<-time.After(takes)
					}
				}
				server, addr := stressServer(t, handler, nil)
				c := newStressClient(t, addr)
				for range 2 * loneStreak {
					id := c.get("/slow", 10)
					c.readUntil("the reply", func() bool { return c.ended[id] })
				}
				conn := stressConn(t, server)
				isLast.Store(true)
				id := c.get("/slow", 10)
				<-begun
				<-time.After(rand.N(2 * loneTimeout))
				end.do(server, conn, c, id)
				for c.readFrame() { // it answers the ping of a drain
				}
				_ = c.socket.Close() // or the server waits for that
				if end.answered && !c.ended[id] {
					t.Fatalf("no reply to the call that was under way: %v", c.err)
				}
				select {
				case <-conn.gone:
				case <-time.After(stressPatience):
					t.Fatal("the connection stays for ever")
				}
				if err := stressInvariants(conn); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
