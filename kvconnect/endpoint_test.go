package kvconnect_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"testing"
)

func TestEndpointURL(t *testing.T) {
	t.Parallel()
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	elsewhere := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	forwarded := http.Header{"X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"kv.example.com"}}
	for name, c := range map[string]struct {
		publicURL string
		trusted   []netip.Prefix
		header    http.Header
		want      string
	}{
		"by Host":                   {header: http.Header{"Host": {"db.internal:4512"}}, want: "http://db.internal:4512/v2"},
		"by Host in IPv6":           {header: http.Header{"Host": {"[::1]:4512"}}, want: "http://[::1]:4512/v2"},
		"by public URL":             {publicURL: "https://kv.example.com", header: http.Header{"Host": {"x"}}, want: "https://kv.example.com/v2"},
		"by public URL with slash":  {publicURL: "https://kv.example.com/", header: http.Header{}, want: "https://kv.example.com/v2"},
		"by public URL with path":   {publicURL: "https://example.com/kv/", header: http.Header{}, want: "https://example.com/kv/v2"},
		"by a trusted proxy":        {trusted: loopback, header: forwarded, want: "https://kv.example.com/v2"},
		"by a chain of proxies":     {trusted: loopback, header: http.Header{"X-Forwarded-Proto": {"https, http"}, "X-Forwarded-Host": {"a.example.com , b"}}, want: "https://a.example.com/v2"},
		"not by an unknown peer":    {trusted: elsewhere, header: with(forwarded, "Host", "db:1"), want: "http://db:1/v2"},
		"not by a strange protocol": {trusted: loopback, header: http.Header{"Host": {"db:1"}, "X-Forwarded-Proto": {"javascript"}}, want: "http://db:1/v2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, func(o *setup) {
				o.TrustedProxies = c.trusted
				if c.publicURL != "" {
					var err error
					if o.PublicURL, err = url.Parse(c.publicURL); err != nil {
						t.Fatal(err)
					}
				}
			})
			for _, path := range []string{"/", "/databases/" + s.options.databaseID.String() + "/connect"} {
				if got := s.metadata(t, path, c.header.Clone()).Endpoints[0].URL; got != c.want {
					t.Errorf("%s: endpoint %s, want %s", path, got, c.want)
				}
			}
		})
	}
}

func with(header http.Header, name, value string) http.Header {
	header = header.Clone()
	header.Set(name, value)
	return header
}

func TestEndpointURLFromAForwardedHostThatIsNone(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) { o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")} })
	for _, host := range []string{"a b", "a/b", "user@host", "%zz"} {
		header := bearer(accessToken)
		header.Set("X-Forwarded-Host", host)
		if reply := s.do(t, http.MethodPost, "/", header, nil); reply.status != http.StatusBadRequest {
			t.Errorf("%q: status %d: %s", host, reply.status, reply.body)
		}
	}
}
