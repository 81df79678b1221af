//go:build !unix

package transport

import (
	"net"
	"syscall"
)

// rawConnOf gives none: here everything goes through the connection itself.
func rawConnOf(net.Conn) syscall.RawConn { return nil }

func (*socket) tryRead(uintptr) (done bool) { return true }

func (*socket) tryWrite(uintptr) (done bool) { return true }

func (*socket) tryPeek(uintptr) {}
