package doctor

import (
	"net"
	"net/netip"
)

// Reachable gives the address by which a listener is reached from this machine. It names no
// host that would have to be looked up: images of containers may lack what that takes.
func Reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "", err == nil && ip == netip.IPv4Unspecified():
		return net.JoinHostPort("127.0.0.1", port)
	case err == nil && ip == netip.IPv6Unspecified():
		return net.JoinHostPort("::1", port)
	default:
		return addr
	}
}
