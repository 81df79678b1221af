package conformance

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// roughProxy passes connections on to a server, but what goes over them arrives
// late, in pieces, and sometimes not at all.
type roughProxy struct {
	url    string
	server string // its address
	seed   uint64
	// breakOne is in how many pieces there is one at which the connection breaks;
	// 0 for none.
	breakOne atomic.Int64

	close func() // waits until all connections have ended
}

// startRoughProxy starts a proxy. The caller must close it.
func startRoughProxy(t *testing.T, server string, seed uint64) *roughProxy {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &roughProxy{url: "http://" + listener.Addr().String(), server: server, seed: seed}
	ctx, cancel := context.WithCancel(t.Context())
	var connections sync.WaitGroup
	connections.Go(func() {
		for number := uint64(0); ; number += 2 {
			client, err := listener.Accept()
			if err != nil {
				return // closed
			}
			connections.Go(func() { p.pass(ctx, client, number) })
		}
	})
	p.close = func() {
		_ = listener.Close()
		cancel()
		connections.Wait()
	}
	return p
}

// pass serves one connection. Whichever side of it ends, ends both.
func (p *roughProxy) pass(ctx context.Context, client net.Conn, number uint64) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.server)
	if err != nil {
		_ = client.Close() // as a server does that is not there
		return
	}
	context.AfterFunc(ctx, func() {
		_ = client.Close()
		_ = server.Close()
	})
	var wait sync.WaitGroup
	for i, way := range [][2]net.Conn{{server, client}, {client, server}} {
		random := rand.New(rand.NewPCG(p.seed, number+uint64(i)))
		wait.Go(func() {
			defer cancel()
			p.copy(ctx, way[0], way[1], random)
		})
	}
	wait.Wait()
}

func (p *roughProxy) copy(ctx context.Context, to io.Writer, from io.Reader, random *rand.Rand) {
	buffer := make([]byte, 4<<10)
	for {
		n, err := from.Read(buffer)
		for rest := buffer[:n]; len(rest) > 0; {
			piece := rest
			if random.IntN(4) == 0 {
				piece = rest[:1+random.IntN(len(rest))]
			}
			rest = rest[len(piece):]
			wait(ctx, delay(random))
			if one := p.breakOne.Load(); one > 0 && random.Int64N(one) == 0 {
				_, _ = to.Write(piece[:len(piece)/2])
				return
			}
			if _, err := to.Write(piece); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// delay is none mostly, some milliseconds often, and now and then so long that
// many other calls come in between.
func delay(random *rand.Rand) time.Duration {
	switch n := random.IntN(100); {
	case n < 60:
		return 0
	case n < 98:
		return time.Duration(random.Int64N(int64(3 * time.Millisecond)))
	default:
		return time.Duration(random.Int64N(int64(40 * time.Millisecond)))
	}
}

func wait(ctx context.Context, d time.Duration) {
	if d == 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
