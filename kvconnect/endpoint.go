package kvconnect

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/kvconnect/kvconnect/protocol"
)

// endpointResolver gives the URL of the data path as a client can reach it.
type endpointResolver struct {
	publicURL      *url.URL // nil: as the request says
	trustedProxies []netip.Prefix
}

// resolve gives an absolute URL, because clients of version 1 do not resolve
// relative ones, that does not end in a slash, because clients append to it.
func (e *endpointResolver) resolve(r *http.Request) (string, error) {
	base, err := e.base(r)
	if err != nil {
		return "", err
	}
	return base + dataPath, nil
}

// base gives the URL by which the client reaches the server, without a slash at
// its end.
func (e *endpointResolver) base(r *http.Request) (string, error) {
	if e.publicURL != nil {
		return strings.TrimRight(e.publicURL.String(), "/"), nil
	}
	scheme, host := "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	if e.trusts(peerAddr(r.RemoteAddr)) {
		if forwarded := firstOf(r.Header.Get("X-Forwarded-Proto")); forwarded == "http" || forwarded == "https" {
			scheme = forwarded
		}
		if forwarded := firstOf(r.Header.Get("X-Forwarded-Host")); forwarded != "" {
			host = forwarded
		}
	}
	base, err := url.Parse(scheme + "://" + host)
	if err != nil || host == "" || base.Host != host {
		return "", protocol.ErrInvalidHost
	}
	return base.String(), nil
}

// clientAddr gives the address that a request comes from: that of the peer or, behind
// trusted proxies, the one that the first of them saw. It is the zero Addr if there is none.
func (e *endpointResolver) clientAddr(r *http.Request) netip.Addr {
	client := peerAddr(r.RemoteAddr)
	forwarded := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for len(forwarded) > 0 && e.trusts(client) {
		last := len(forwarded) - 1
		addr, err := netip.ParseAddr(strings.TrimSpace(forwarded[last]))
		if err != nil {
			break
		}
		client, forwarded = addr.Unmap().WithZone(""), forwarded[:last]
	}
	return client
}

// peerAddr gives the address of a peer as net/http has it.
func peerAddr(remoteAddr string) netip.Addr {
	peer, err := netip.ParseAddrPort(remoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return peer.Addr().Unmap().WithZone("")
}

func (e *endpointResolver) trusts(addr netip.Addr) bool {
	for _, prefix := range e.trustedProxies {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// firstOf gives the first element of a list: the one of the proxy nearest to the
// client.
func firstOf(list string) string {
	first, _, _ := strings.Cut(list, ",")
	return strings.TrimSpace(first)
}
