package kvconnect_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/transport"
)

// A reply has the id that the request came with, if that can be one, or else a new one.
func TestRequestID(t *testing.T) {
	t.Parallel()
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	made := regexp.MustCompile(`^[0-9a-f]{16}$`)
	cases := map[string]struct {
		header []string
		want   string // "" for one that is made
	}{
		"none":                      {nil, ""},
		"an id":                     {[]string{"X-Request-Id", "req-1_A.b"}, "req-1_A.b"},
		"the longest":               {[]string{"X-Request-Id", strings.Repeat("a", 64)}, strings.Repeat("a", 64)},
		"too long":                  {[]string{"X-Request-Id", strings.Repeat("a", 65)}, ""},
		"of other characters":       {[]string{"X-Request-Id", "a b"}, ""},
		"that breaks a line":        {[]string{"X-Request-Id", "a\tb"}, ""},
		"not in ASCII":              {[]string{"X-Request-Id", "ä"}, ""},
		"an access token":           {[]string{"X-Request-Id", "kvc_" + strings.Repeat("a", 49)}, ""},
		"an access token inside":    {[]string{"X-Request-Id", "token-kvc_" + strings.Repeat("a", 49)}, ""},
		"a trace":                   {[]string{"Traceparent", "00-" + trace + "-00f067aa0ba902b7-01"}, trace},
		"a trace of a coming kind":  {[]string{"Traceparent", "cc-" + trace + "-00f067aa0ba902b7-01-more"}, trace},
		"both":                      {[]string{"X-Request-Id", "ours", "Traceparent", "00-" + trace + "-00f067aa0ba902b7-01"}, "ours"},
		"a bad id and a trace":      {[]string{"X-Request-Id", "a b", "Traceparent", "00-" + trace + "-00f067aa0ba902b7-01"}, trace},
		"a trace in capitals":       {[]string{"Traceparent", "00-" + strings.ToUpper(trace) + "-00f067aa0ba902b7-01"}, ""},
		"a trace of zeros":          {[]string{"Traceparent", "00-" + strings.Repeat("0", 32) + "-00f067aa0ba902b7-01"}, ""},
		"a trace that is too short": {[]string{"Traceparent", "00-" + trace[1:] + "-00f067aa0ba902b7-01"}, ""},
		"half a trace":              {[]string{"Traceparent", "00-" + trace}, ""},
		"a trace without a version": {[]string{"Traceparent", trace}, ""},
	}
	for name, way := range ways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := way.start(t, asIs)
			ours := s.metadata(t, "/", http.Header{}).Token
			for name, c := range cases {
				for what, do := range map[string]func(header http.Header) response{
					"metadata": func(header http.Header) response { return s.do(t, http.MethodPost, "/", header, nil) },
					"refused":  func(header http.Header) response { return s.do(t, http.MethodPost, "/v2/watch", header, nil) },
					"no path":  func(header http.Header) response { return s.do(t, http.MethodGet, "/nothing", header, nil) },
					"read": func(header http.Header) response {
						return s.do(t, http.MethodPost, "/v2/snapshot_read", header, nil)
					},
				} {
					header := bearer(accessToken)
					if what == "read" {
						header = callHeader(ours, s.options.databaseID)
					}
					for i := 0; i < len(c.header); i += 2 {
						header.Set(c.header[i], c.header[i+1])
					}
					reply := do(header)
					got := reply.header.Get("X-Request-Id")
					if c.want != "" && got != c.want || c.want == "" && !made.MatchString(got) {
						t.Errorf("%s, %s (status %d): id %q, want %q", name, what, reply.status, got, c.want)
					}
				}
			}
		})
	}
}

// No two requests of a server get the same id.
func TestRequestIDsDiffer(t *testing.T) {
	t.Parallel()
	server, _ := memoryServer(asIs)
	other, _ := memoryServer(asIs)
	seen := make(map[string]bool)
	for i := range 10_000 {
		call := admit(t, server, "snapshot_read")
		call.Receive(nil)
		id := call.Serve(t.Context(), nil).Field.Value
		if len(id) != 16 || seen[id] {
			t.Fatalf("id %q after %d others", id, i)
		}
		seen[id] = true
	}
	call := admit(t, other, "snapshot_read")
	call.Receive(nil)
	if id := call.Serve(t.Context(), nil).Field.Value; seen[id] {
		t.Errorf("another server made %q too", id)
	}
}

// The id of a request is in the log of its fault, and in its reply.
func TestFaultHasARequestID(t *testing.T) {
	t.Parallel()
	log := &safeBuffer{}
	server, backend := memoryServer(func(o *setup) { o.Logger = textLogger(log) })
	backend.become(fmt.Errorf("the disk is slow: %w", protocol.ErrUnavailable))
	call := admit(t, server, "atomic_write")
	call.Receive(nil)
	reply := call.Serve(t.Context(), nil)
	if id := reply.Field.Value; id == "" || !strings.Contains(log.String(), "request_id="+id+" method=atomic_write status=503") {
		t.Errorf("id %q, log %s", id, log.String())
	}
}

// An access token that was taken for an id is in no line of the log, and the reply does not
// tell that it is one: it is what any other word would get.
func TestAccessTokenIsNoLoggedID(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ id, logged string }{
		"an access token": {accessToken, "withheld"},
		"another word":    {accessToken + "x", accessToken + "x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &safeBuffer{}
			server, backend := memoryServer(func(o *setup) { o.Logger = textLogger(log) })
			for _, err := range []error{nil, protocol.ErrUnavailable} {
				backend.become(err)
				header := memoryHeader()
				header.Set("X-Request-Id", c.id)
				call, refusal := server.Admit(transport.Request{Method: http.MethodPost, Path: "/v2/atomic_write", Header: header})
				if refusal != nil {
					t.Fatalf("%+v", refusal)
				}
				call.Receive(nil)
				if id := call.Serve(t.Context(), nil).Field.Value; id != c.id {
					t.Errorf("the reply has the id %q", id)
				}
			}
			text := log.String()
			if strings.Contains(text, accessToken) != (c.logged != "withheld") || strings.Count(text, "request_id="+c.logged+" ") != 3 {
				t.Errorf("the log of two requests, one of which failed, is\n%s", text)
			}
		})
	}
}
