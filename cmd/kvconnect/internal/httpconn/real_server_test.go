package httpconn_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/httpconn"
	"go.uber.org/goleak"
	"golang.org/x/net/http2/hpack"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

var versions = map[string]httpconn.Version{"HTTP1": httpconn.HTTP1, "HTTP2": httpconn.HTTP2}

// startServer starts net/http's server, which speaks both versions.
func startServer(t *testing.T, handler http.HandlerFunc, change func(*http.Server)) *url.URL {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server.Config.Protocols = &protocols
	server.Config.HTTP2 = &http.HTTP2Config{}
	if change != nil {
		change(server.Config)
	}
	server.Start()
	t.Cleanup(server.Close)
	return parse(t, server.URL)
}

func parse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func dial(t *testing.T, u *url.URL, version httpconn.Version, patience time.Duration) httpconn.Conn {
	t.Helper()
	conn, err := httpconn.Dial(t.Context(), u, version, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

// echo gives the body back, with what it saw of the headers before it.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-echo")
	_, _ = fmt.Fprintf(w, "%s %s %s %s %d\n", r.Method, r.URL, r.Host, r.Header.Get("Authorization"), r.ContentLength)
	_, _ = w.Write(body)
}

func route(path string) *httpconn.Route {
	return &httpconn.Route{Path: path, Header: []hpack.HeaderField{
		{Name: "authorization", Value: "Bearer a-token-of-some-length"}, {Name: "content-type", Value: "application/x-echo"},
	}}
}

func wantEcho(u *url.URL, call *httpconn.Call) error {
	want := fmt.Sprintf("POST %s %s Bearer a-token-of-some-length %d\n", call.Route.Path, u.Host, len(call.Body)) + string(call.Body)
	if call.Status != http.StatusOK || call.ContentType != "application/x-echo" || string(call.Reply) != want {
		return fmt.Errorf("status %d, content type %s, %d bytes that begin with %.80q; want %d bytes that begin with %.80q",
			call.Status, call.ContentType, len(call.Reply), call.Reply, len(want), want)
	}
	return nil
}

// Many calls at a time, small and large, on routes that take turns: more than the
// windows hold, and more than the server takes at a time.
func TestCalls(t *testing.T) {
	t.Parallel()
	servers := map[string]func(*http.Server){
		"as it is": nil,
		"small windows": func(s *http.Server) {
			s.HTTP2.MaxReceiveBufferPerConnection, s.HTTP2.MaxReceiveBufferPerStream = 65536, 1000
		},
		"two streams": func(s *http.Server) { s.HTTP2.MaxConcurrentStreams = 2 },
		"no table":    func(s *http.Server) { s.HTTP2.MaxDecoderHeaderTableSize = 1 },
		"small table": func(s *http.Server) { s.HTTP2.MaxDecoderHeaderTableSize = 150 },
		"large table": func(s *http.Server) { s.HTTP2.MaxDecoderHeaderTableSize = 1 << 20 },
	}
	for server, change := range servers {
		for version, v := range versions {
			t.Run(server+"/"+version, func(t *testing.T) {
				t.Parallel()
				u := startServer(t, echo, change)
				conn := dial(t, u, v, patience)
				routes := []*httpconn.Route{route("/a"), route("/b?c=d"), route("/e")}
				var running sync.WaitGroup
				for worker := range 20 {
					running.Go(func() {
						var call httpconn.Call
						for i := range 30 {
							call.Route = routes[(worker+i)%len(routes)]
							call.Body = bytes.Repeat([]byte{byte('a' + worker)}, []int{0, 1, 100, 20_000, 70_000}[i%5])
							err := conn.Do(t.Context(), &call)
							if err == nil {
								err = wantEcho(u, &call)
							}
							if err != nil {
								t.Errorf("call %d of worker %d: %v", i, worker, err)
								return
							}
						}
					})
				}
				running.Wait()
			})
		}
	}
}

// A reply that is longer than all windows, and one in many parts.
func TestLongReplies(t *testing.T) {
	t.Parallel()
	const size = 80 << 20 // above the window of the connection
	u := startServer(t, func(w http.ResponseWriter, _ *http.Request) {
		part := make([]byte, 1<<20)
		for range size / len(part) {
			_, _ = w.Write(part)
		}
	}, nil)
	for version, v := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			conn := dial(t, u, v, patience)
			received := 0
			call := httpconn.Call{Route: route("/"), OnData: func(chunk []byte) { received += len(chunk) }}
			if err := conn.Do(t.Context(), &call); err != nil || received != size || len(call.Reply) != 0 {
				t.Errorf("%d bytes and %d kept, %v; want %d and none", received, len(call.Reply), err, size)
			}
		})
	}
}

// A stream is handed over as it arrives, and ends with the context, which over HTTP/2
// leaves the connection to others.
func TestStream(t *testing.T) {
	t.Parallel()
	for version, v := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			left := make(chan struct{})
			u := startServer(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/stream" {
					echo(w, r)
					return
				}
				_, _ = io.WriteString(w, "first")
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
				close(left)
			}, nil)
			conn := dial(t, u, v, patience)
			ctx, cancel := context.WithCancel(t.Context())
			var got []byte
			call := httpconn.Call{Route: route("/stream"), OnData: func(chunk []byte) {
				if got = append(got, chunk...); string(got) == "first" {
					cancel()
				}
			}}
			if err := conn.Do(ctx, &call); !errors.Is(err, context.Canceled) {
				t.Errorf("the stream ended with %v", err)
			}
			<-left
			if conn.Broken() != (v == httpconn.HTTP1) {
				t.Errorf("broken is %v", conn.Broken())
			}
			if v == httpconn.HTTP1 {
				return
			}
			other := httpconn.Call{Route: route("/"), Body: []byte("x")}
			if err := errors.Join(conn.Do(t.Context(), &other), wantEcho(u, &other)); err != nil {
				t.Error(err)
			}
		})
	}
}

// OnData is for replies of status 200. Another one is to be read as a text.
func TestOtherStatus(t *testing.T) {
	t.Parallel()
	u := startServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints) // is no reply yet
		http.Error(w, "go away", http.StatusTeapot)
	}, nil)
	for version, v := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			conn := dial(t, u, v, patience)
			// The server does not read so long a body.
			call := httpconn.Call{
				Route: route("/"), Body: make([]byte, 2<<20),
				OnData: func([]byte) { t.Error("OnData was called") },
			}
			if v == httpconn.HTTP1 {
				call.Body = nil // it would rather break the connection
			}
			if err := conn.Do(t.Context(), &call); err != nil || call.Status != http.StatusTeapot || string(call.Reply) != "go away\n" {
				t.Errorf("%v, status %d: %q", err, call.Status, call.Reply)
			}
		})
	}
}

// A server of HTTP/1.1 that closes the connection says so.
func TestConnectionClose(t *testing.T) {
	t.Parallel()
	u := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		echo(w, r)
	}, nil)
	conn := dial(t, u, httpconn.HTTP1, patience)
	call := httpconn.Call{Route: route("/")}
	if err := errors.Join(conn.Do(t.Context(), &call), wantEcho(u, &call)); err != nil || !conn.Broken() {
		t.Errorf("%v, broken %v", err, conn.Broken())
	}
}

func TestSilentServer(t *testing.T) {
	t.Parallel()
	for version, v := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			u := startServer(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, nil)
			conn := dial(t, u, v, 50*time.Millisecond)
			call := httpconn.Call{Route: route("/")}
			if err := conn.Do(t.Context(), &call); !errors.Is(err, httpconn.ErrSilent) || !conn.Broken() {
				t.Errorf("%v, broken %v", err, conn.Broken())
			}
		})
	}
}

// Nothing is wrong with a connection that nobody uses.
func TestIdleConnection(t *testing.T) {
	t.Parallel()
	u := startServer(t, echo, nil)
	conn := dial(t, u, httpconn.HTTP2, time.Millisecond*200)
	for begun := time.Now(); time.Since(begun) < time.Second; {
		<-time.After(300 * time.Millisecond) // longer than the patience
		call := httpconn.Call{Route: route("/")}
		if err := errors.Join(conn.Do(t.Context(), &call), wantEcho(u, &call)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestClosedConnection(t *testing.T) {
	t.Parallel()
	for version, v := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			inside := make(chan struct{}, 1)
			u := startServer(t, func(_ http.ResponseWriter, r *http.Request) {
				inside <- struct{}{}
				<-r.Context().Done()
			}, nil)
			conn := dial(t, u, v, patience)
			under := make(chan error, 1)
			go func() { under <- conn.Do(t.Context(), &httpconn.Call{Route: route("/")}) }()
			<-inside
			conn.Close()
			after := conn.Do(t.Context(), &httpconn.Call{Route: route("/")})
			for _, err := range []error{<-under, after} {
				if !errors.Is(err, httpconn.ErrLost) {
					t.Errorf("a call ended with %v", err)
				}
			}
		})
	}
}

func TestOtherServers(t *testing.T) {
	t.Parallel()
	plain := func(s *http.Server) {
		var protocols http.Protocols
		protocols.SetHTTP1(true)
		s.Protocols = &protocols
	}
	u := startServer(t, echo, plain)
	if _, err := httpconn.Dial(t.Context(), u, httpconn.HTTP2, patience); !errors.Is(err, httpconn.ErrProtocol) {
		t.Errorf("a server of HTTP/1.1 alone: %v", err)
	}
	u.Scheme = "https"
	for _, v := range slices.Sorted(func(yield func(httpconn.Version) bool) { _ = yield(1) && yield(2) }) {
		if conn, err := httpconn.Dial(t.Context(), u, v, patience); err == nil {
			conn.Close()
			t.Errorf("a server without TLS passes for one with it, in version %d", v)
		}
	}
}

// The patience with a call begins when the call does, however long nobody called before.
func TestPatienceBeginsWithTheCall(t *testing.T) {
	t.Parallel()
	const patience, idle, answer = 3 * time.Second, 2 * time.Second, 1500 * time.Millisecond
	u := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		<-time.After(answer)
		echo(w, r)
	}, nil)
	conn := dial(t, u, httpconn.HTTP2, patience)
	<-time.After(idle)
	call := httpconn.Call{Route: route("/")}
	if err := errors.Join(conn.Do(t.Context(), &call), wantEcho(u, &call)); err != nil {
		t.Error(err)
	}
}
