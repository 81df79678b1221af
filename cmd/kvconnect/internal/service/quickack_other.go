//go:build !linux

package service

import "net"

// quickAck changes nothing: other systems cannot ask for it.
func quickAck(listener net.Listener) net.Listener { return listener }
