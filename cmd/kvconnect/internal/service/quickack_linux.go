package service

import (
	"net"
	"syscall"
)

// quickAckListener has what arrives acknowledged at once. Deno sends the first
// kilobyte of a request and keeps the rest until that is acknowledged, which
// Linux would put off for 40 milliseconds.
type quickAckListener struct{ net.Listener }

func quickAck(listener net.Listener) net.Listener { return quickAckListener{listener} }

func (l quickAckListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return conn, nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return conn, nil //nolint:nilerr // it is only slower
	}
	return &quickAckConn{TCPConn: tcp, raw: raw}, nil
}

type quickAckConn struct {
	*net.TCPConn
	raw syscall.RawConn
}

// Read asks for quick acknowledgement anew each time, because Linux takes it back
// as it sees fit.
func (c *quickAckConn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	// Without it everything works, slower.
	_ = c.raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
	})
	return n, err
}
