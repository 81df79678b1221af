package transport

import (
	"net"
	"syscall"
)

// Deno sends the first kilobyte of a request and keeps the rest until that is
// acknowledged, which Linux would put off for 40 milliseconds unless it has something to
// send. It can be asked to acknowledge at once, and must be asked anew each time, because
// it takes that back as it sees fit.

// acknowledge has what has arrived acknowledged now.
func (s *socket) acknowledge() { acknowledge(s.raw) }

func acknowledge(raw syscall.RawConn) {
	if raw == nil {
		return
	}
	// Without it everything works, slower.
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
	})
}

// QuickAck gives a listener whose connections acknowledge at once all that arrives. A
// Server sees to that itself; this is for net/http without one.
func QuickAck(listener net.Listener) net.Listener { return quickAckListener{listener} }

type quickAckListener struct{ net.Listener }

func (l quickAckListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return quickAck(conn), nil
}

func quickAck(conn net.Conn) net.Conn {
	tcp, ok := conn.(tcpConn)
	if !ok {
		return conn
	}
	return &quickAckConn{tcpConn: tcp, raw: rawConnOf(tcp)}
}

// quickAckConn has the methods of a net.TCPConn that net/http uses.
type quickAckConn struct {
	tcpConn
	raw syscall.RawConn
}

func (c *quickAckConn) Read(p []byte) (int, error) {
	n, err := c.tcpConn.Read(p)
	acknowledge(c.raw)
	return n, err
}
