package transport

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Listen gives a listener whose connections went through the gate. Under TLS it is the one
// below: what is refused gets no handshake. Its Close waits for the refusals under way.
func (g *Gate) Listen(listener net.Listener) net.Listener {
	return &gateListener{Listener: listener, gate: g, refused: make(map[net.Conn]struct{})}
}

type gateListener struct {
	net.Listener
	gate     *Gate
	refusals sync.WaitGroup // goroutines that tell clients; grows under mu

	mu sync.Mutex
	// refused are the connections that are being told, and closed that no more may be.
	// Both are guarded by mu.
	refused map[net.Conn]struct{}
	closed  bool
}

// Accept gives the next connection for which there is a place.
func (l *gateListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		address := addressOf(conn)
		if why := l.gate.take(address); why != refusedNot {
			l.refuse(conn, why)
			continue
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			return &placedTCPConn{TCPConn: tcp, place: place{gate: l.gate, address: address}}, nil
		}
		return &placedConn{Conn: conn, place: place{gate: l.gate, address: address}}, nil
	}
}

// refuse tells a client why it is not let in, if not too many are being told.
func (l *gateListener) refuse(conn net.Conn, why refusal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || !l.gate.mayTell() {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // the system forgets it at once
		}
		_ = conn.Close()
		return
	}
	l.refused[conn] = struct{}{}
	l.refusals.Go(func() {
		defer l.gate.told()
		_ = conn.SetDeadline(time.Now().Add(refusalTimeout)) // an error shows at the next read
		why.tell(conn)
		_ = conn.Close() // Close below may have closed it
		l.mu.Lock()
		delete(l.refused, conn)
		l.mu.Unlock()
	})
}

// Close implements net.Listener.
func (l *gateListener) Close() error {
	err := l.Listener.Close()
	l.mu.Lock()
	l.closed = true
	for conn := range l.refused {
		_ = conn.Close() // its goroutine may have closed it
	}
	l.mu.Unlock()
	l.refusals.Wait()
	return err
}

// place is what a connection holds in a gate until it is closed.
type place struct {
	gate    *Gate
	address netip.Prefix
	left    atomic.Bool
}

func (p *place) leave() {
	if !p.left.Swap(true) {
		p.gate.leave(p.address)
	}
}

// placedTCPConn has all methods of a net.TCPConn.
type placedTCPConn struct {
	*net.TCPConn
	place
}

func (c *placedTCPConn) Close() error {
	defer c.leave()
	return c.TCPConn.Close()
}

// placedConn is any other connection.
type placedConn struct {
	net.Conn
	place
}

func (c *placedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
