//go:build !linux

package transport

import "net"

// acknowledge changes nothing: other systems cannot be asked for it.
func (*socket) acknowledge() {}

// QuickAck changes nothing: other systems cannot be asked for it.
func QuickAck(listener net.Listener) net.Listener { return listener }

func quickAck(conn net.Conn) net.Conn { return conn }
