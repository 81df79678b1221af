//go:build unix

package transport

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// rawConnOf gives the way to the file descriptor of a connection that is one.
func rawConnOf(conn net.Conn) syscall.RawConn {
	tcp, ok := conn.(tcpConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

func (s *socket) tryRead(fd uintptr) (done bool) {
	s.takeBuffer()
	for {
		s.read, s.readErr = syscall.Read(int(fd), s.input[:])
		switch {
		case errors.Is(s.readErr, syscall.EINTR):
			continue
		case errors.Is(s.readErr, syscall.EAGAIN):
			s.releaseBuffer()
			return false
		case s.readErr == nil && s.read == 0:
			s.readErr = io.EOF
		}
		s.read = max(0, s.read)
		return true
	}
}

func (s *socket) tryWrite(fd uintptr) (done bool) {
	for {
		s.written, s.writeErr = syscall.Write(int(fd), s.output)
		if errors.Is(s.writeErr, syscall.EINTR) {
			continue
		}
		if errors.Is(s.writeErr, syscall.EAGAIN) {
			s.writeErr = nil
		}
		s.written = max(0, s.written)
		return true
	}
}

func (s *socket) tryPeek(fd uintptr) {
	var first [1]byte
	n, _, err := syscall.Recvfrom(int(fd), first[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	s.peeked = err == nil && n > 0
}
