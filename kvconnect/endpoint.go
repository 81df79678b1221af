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
	if e.trusts(r.RemoteAddr) {
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

func (e *endpointResolver) trusts(remoteAddr string) bool {
	peer, err := netip.ParseAddrPort(remoteAddr)
	if err != nil {
		return false
	}
	addr := peer.Addr().Unmap().WithZone("")
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
