package transport_test

import (
	"net/http"
	"strings"
	"testing"
)

// A reply may have a field of its own beside those of its shared head.
func TestFieldOfOneReply(t *testing.T) {
	t.Parallel()
	server := start(t)
	client, base := httpClient(t, server, nil, true)
	for name, c := range map[string]struct {
		path, value, want string
	}{
		"none":              {"/v2/hello", "", ""},
		"one":               {"/v2/hello", "4bf92f3577b34da6", "4bf92f3577b34da6"},
		"none, after one":   {"/v2/hello", "", ""},
		"of another worker": {"/v2/greet", "a", "a"},
		"the longest":       {"/v2/hello", strings.Repeat("a", 126), strings.Repeat("a", 126)},
		"too long":          {"/v2/hello", strings.Repeat("a", 127), ""},
		"of a feed":         {"/v2/feed", "a", "a"},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+c.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if c.value != "" {
			request.Header.Set("X-Of-One", c.value)
		}
		reply, err := client.Do(request)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := reply.Header.Get("X-Of-One"); got != c.want || reply.Header.Get("Content-Type") != "text/echo" {
			t.Errorf("%s: %q in %v, want %q", name, got, reply.Header, c.want)
		}
		if err := reply.Body.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
