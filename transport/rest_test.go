package transport_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"
)

// restCases are requests of what net/http serves, and handlers for them.
var restCases = map[string]struct {
	handler http.HandlerFunc
	fields  []string // instead of a GET of /path?query
	body    string
}{
	"what the request is": {handler: func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		_ = say(w, r.Method, r.Proto, r.ProtoMajor, r.ProtoMinor, r.Host, r.RequestURI, r.URL, r.ContentLength, r.Close, len(body), err)
		_ = say(w, r.Header, r.TransferEncoding, r.TLS == nil, r.Body != nil, r.RemoteAddr != "")
		_ = say(w, r.Context().Value(http.LocalAddrContextKey) != nil)
	}, fields: post("/path?a=b&c=%20", "cookie", "a=1", "cookie", "b=2", "x-a", "1", "x-a", "2", "te", "trailers", "user-agent", "test"), body: "body"},
	"nothing":  {handler: func(http.ResponseWriter, *http.Request) {}},
	"text":     {handler: func(w http.ResponseWriter, _ *http.Request) { _ = say(w, "<html>text") }},
	"a status": {handler: func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "teapot", http.StatusTeapot) }},
	"two status": {handler: func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusCreated)
		w.WriteHeader(http.StatusAccepted)
	}},
	"no content":  {handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }},
	"a redirect":  {handler: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/to", http.StatusFound) }},
	"late fields": {handler: func(w http.ResponseWriter, _ *http.Request) { _ = say(w, "a"); w.Header().Set("X-Late", "1") }},
	"fields": {handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("X-Many", "1")
		w.Header().Add("x-many", "2")
		w.Header().Set("Connection", "close")
		w.Header().Set("Content-Type", "text/test")
		w.WriteHeader(http.StatusAccepted)
		w.Header().Set("X-After", "1")
	}},
	"in pieces": {handler: func(w http.ResponseWriter, _ *http.Request) {
		for range 3 {
			_ = say(w, "piece ")
			_ = http.NewResponseController(w).Flush()
		}
	}},
	"long": {handler: func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(big[:1_000_000]) }},
	"with a length": {handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "4")
		_ = say(w, "four")
	}},
	"HEAD": {handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		w.Header().Set("Content-Type", "text/test")
		err := say(w, "four")
		w.Header().Set("X-Error", fmt.Sprint(err))
	}, fields: []string{":method", "HEAD", ":scheme", "http", ":authority", "kv.test", ":path", "/"}},
	"body of no content": {handler: func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
		if say(w, "text") == nil {
			panic(http.ErrAbortHandler)
		}
	}},
	"an abort": {handler: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
	"an abort in the midst": {handler: func(w http.ResponseWriter, _ *http.Request) {
		_ = say(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}},
}

// say writes values and a line end. What goes wrong shows in the reply, or is not to show.
func say(w io.Writer, values ...any) error {
	_, err := fmt.Fprintln(w, values...)
	return err
}

// A handler of net/http cannot tell from what its clients get whether net/http or the
// transport has called it.
func TestRestAsNetHTTP(t *testing.T) {
	t.Parallel()
	for name, test := range restCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ours := start(t, func(s *setup) { s.http.Handler = test.handler })
			theirs := httptest.NewUnstartedServer(test.handler)
			var protocols http.Protocols
			protocols.SetUnencryptedHTTP2(true)
			theirs.Config.Protocols = &protocols
			theirs.Start()
			t.Cleanup(theirs.Close)
			fields := test.fields
			if fields == nil {
				fields = []string{":method", "GET", ":scheme", "http", ":authority", "kv.test", ":path", "/path?query"}
			}
			var got, want string
			for address, told := range map[string]*string{ours.address: &got, theirs.Listener.Addr().String(): &want} {
				c := dial(t, address)
				stream := c.newStream()
				c.together(func() {
					c.must(c.WriteHeaders(http2.HeadersFrameParam{
						StreamID: stream, BlockFragment: c.encode(fields...), EndHeaders: true, EndStream: test.body == "",
					}))
					if test.body != "" {
						c.data(stream, true, test.body)
					}
				})
				*told = tell(c.reply(stream))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the reply of net/http (-) and of the transport (+):\n%s", diff)
			}
		})
	}
}

// tell describes a reply, but for what may differ.
func tell(r *reply) string {
	var fields []string
	for _, field := range r.fields {
		if field.Name != "date" {
			fields = append(fields, field.Name+": "+field.Value)
		}
	}
	slices.Sort(fields)
	reset := ""
	if r.reset != nil {
		reset = r.reset.String()
	}
	return fmt.Sprintf("status %s\n%s\n\n%.2000s\n%d bytes, ended: %t %s",
		r.status, strings.Join(fields, "\n"), r.body, len(r.body), r.ended, reset)
}
