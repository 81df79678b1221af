package kvconnect_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
)

func TestClientAddr(t *testing.T) {
	t.Parallel()
	server, _ := memoryServer(func(o *setup) {
		o.TrustedProxies = []netip.Prefix{
			netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8::/32"),
		}
	})
	const proxy = "10.0.0.1:1234"
	for name, c := range map[string]struct {
		peer      string
		forwarded []string // fields, each a list
		want      string   // none if empty
	}{
		"a client":                         {"203.0.113.5:1", nil, "203.0.113.5"},
		"a client in IPv6":                 {"[2001:470::5]:1", nil, "2001:470::5"},
		"a client of both":                 {"[::ffff:203.0.113.5]:1", nil, "203.0.113.5"},
		"a client of a link":               {"[fe80::1%eth0]:1", nil, "fe80::1"},
		"a client that says it is one":     {"203.0.113.5:1", []string{"198.51.100.7"}, "203.0.113.5"},
		"a proxy for nobody":               {proxy, nil, "10.0.0.1"},
		"a proxy for nobody, in words":     {proxy, []string{""}, "10.0.0.1"},
		"a proxy":                          {proxy, []string{"198.51.100.7"}, "198.51.100.7"},
		"a proxy in IPv6":                  {"[2001:db8::1]:1", []string{"2001:470::5"}, "2001:470::5"},
		"a proxy of both":                  {"[::ffff:10.0.0.1]:1", []string{"::ffff:198.51.100.7"}, "198.51.100.7"},
		"a proxy for a link":               {proxy, []string{"fe80::1%eth0"}, "fe80::1"},
		"proxies in line":                  {proxy, []string{"198.51.100.7, 192.0.2.1 ,10.9.9.9"}, "198.51.100.7"},
		"proxies in line, in fields":       {proxy, []string{"198.51.100.7", "192.0.2.1", "10.9.9.9"}, "198.51.100.7"},
		"what a client says before":        {proxy, []string{"1.1.1.1, 198.51.100.7"}, "198.51.100.7"},
		"what a client says in a field":    {proxy, []string{"1.1.1.1", "198.51.100.7,10.9.9.9"}, "198.51.100.7"},
		"a proxy that nobody knows":        {proxy, []string{"1.1.1.1, 198.51.100.7, 10.9.9.9"}, "198.51.100.7"},
		"proxies alone":                    {proxy, []string{"10.9.9.9, 192.0.2.1"}, "10.9.9.9"},
		"garbage":                          {proxy, []string{"unknown"}, "10.0.0.1"},
		"garbage before":                   {proxy, []string{"unknown, 198.51.100.7"}, "198.51.100.7"},
		"garbage between":                  {proxy, []string{"198.51.100.7, unknown, 10.9.9.9"}, "10.9.9.9"},
		"nothing between":                  {proxy, []string{"198.51.100.7,,10.9.9.9"}, "10.9.9.9"},
		"with a port, which is no address": {proxy, []string{"198.51.100.7:80"}, "10.0.0.1"},
		"no peer":                          {"", []string{"198.51.100.7"}, ""},
		"a peer without a port":            {"10.0.0.1", []string{"198.51.100.7"}, ""},
		"a peer that is no address":        {"@", nil, ""},
	} {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		request.RemoteAddr = c.peer
		request.Header["X-Forwarded-For"] = c.forwarded
		var want netip.Addr
		if c.want != "" {
			want = netip.MustParseAddr(c.want)
		}
		if got := server.ClientAddr(request); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
