package bench_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/bench"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/httpconn"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const accessToken = "test-access-token"

// liveServer is a server of ours on a port of this machine. wrap may stand before it.
type liveServer struct {
	url     *url.URL
	backend *sqlitebackend.Backend
}

func startServer(t *testing.T, wrap func(http.Handler) http.Handler) *liveServer {
	t.Helper()
	backend, err := sqlitebackend.Open(sqlitebackend.Options{Path: filepath.Join(t.TempDir(), "kv.sqlite")})
	if err != nil {
		t.Fatal(err)
	}
	hash, err := auth.HashAccessToken(accessToken)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := auth.GenerateSecrets().KeyRing()
	if err != nil {
		t.Fatal(err)
	}
	var handler http.Handler = kvconnect.New(kvconnect.Options{
		Databases: kvconnect.OneDatabase(backend.DatabaseID(), backend),
		Auth:      auth.New(auth.Options{Registry: auth.NewOneDatabase(backend.DatabaseID(), "", nil), Keys: keys, Master: &hash}),
	})
	if wrap != nil {
		handler = wrap(handler)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := kvconnect.NewHTTPServer(handler, slog.New(slog.DiscardHandler))
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("close the server: %v", err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
		if err := backend.Close(); err != nil {
			t.Errorf("close the backend: %v", err)
		}
	})
	return &liveServer{url: &url.URL{Scheme: "http", Host: listener.Addr().String()}, backend: backend}
}

func (s *liveServer) options(version httpconn.Version, workloads ...string) bench.Options {
	return bench.Options{
		Servers: []bench.Server{{Name: "ours", URL: s.url, AccessToken: accessToken}}, Workloads: workloads,
		Duration: 50 * time.Millisecond, Warmup: 10 * time.Millisecond, Rounds: 1, Timeout: 20 * time.Second,
		Concurrency: 8, Connections: map[httpconn.Version]int{httpconn.HTTP1: 8, httpconn.HTTP2: 2}[version], HTTP: version,
		Keys: 700, ValueBytes: 20, ReadShare: 0.5, ContendedKeys: 2, Watchers: 5, WatchedKeys: 1, Seed: 1,
	}
}

var foreign = func() (keys [][]byte) {
	for _, key := range []protocol.Key{{"kvconnect-benc"}, {bench.KeyPrefix}, {bench.KeyPrefix + "-"}, {"users", "ada"}} {
		encoded, err := key.Encode()
		if err != nil {
			panic(err)
		}
		keys = append(keys, encoded)
	}
	return keys
}()

// store stores keys that are not the bench's, and one that an earlier bench has left,
// in the middle of what is listed.
func (s *liveServer) store(t *testing.T) {
	t.Helper()
	left, err := (protocol.Key{bench.KeyPrefix, "entries", 350.5}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	var write protocol.AtomicWrite
	for _, key := range append([][]byte{left}, foreign...) {
		write.Mutations = append(write.Mutations, protocol.Mutation{Type: protocol.MutationSet, Key: key, Value: protocol.U64Value(1)})
	}
	if _, err := s.backend.AtomicWrite(t.Context(), write); err != nil {
		t.Fatal(err)
	}
}

// wantForeignAlone checks that the keys that are not the bench's are all there is.
func (s *liveServer) wantForeignAlone(t *testing.T) {
	t.Helper()
	read, err := s.backend.SnapshotRead(t.Context(), protocol.SnapshotRead{
		Ranges: []protocol.ReadRange{{Start: []byte{0}, End: []byte{0xff}, Limit: 1000}},
	})
	if err != nil {
		t.Fatal(err)
	}
	left := make(map[string]bool)
	for _, entry := range read.Ranges[0] {
		left[string(entry.Key)] = true
	}
	for _, key := range foreign {
		if !left[string(key)] {
			t.Errorf("the key %q is gone", key)
		}
		delete(left, string(key))
	}
	if len(left) > 0 {
		t.Errorf("the bench has left %d keys", len(left))
	}
}

func TestEveryWorkload(t *testing.T) {
	t.Parallel()
	for version, v := range map[string]httpconn.Version{"HTTP1": httpconn.HTTP1, "HTTP2": httpconn.HTTP2} {
		for _, w := range bench.Workloads() {
			t.Run(w.Name+"/"+version, func(t *testing.T) {
				t.Parallel()
				s := startServer(t, nil)
				s.store(t)
				report, err := bench.Run(t.Context(), s.options(v, w.Name))
				if err != nil {
					t.Fatal(err)
				}
				r := report.Results[0]
				if r.Operations == 0 || r.OperationsPerSecond == 0 || r.ErrorCount != 0 || len(r.Errors) != 0 {
					t.Errorf("the report says %+v", r)
				}
				if !(0 < r.P50Us && r.P50Us <= r.P90Us && r.P90Us <= r.P99Us && r.P99Us <= r.P999Us && r.P999Us <= r.MaxUs) {
					t.Errorf("the percentiles are %+v", r.Figures)
				}
				s.wantForeignAlone(t)
			})
		}
	}
}

// A reply that is not right is an error and no operation.
func TestWrongReplies(t *testing.T) {
	t.Parallel()
	type answer func(w http.ResponseWriter, r *http.Request, next http.Handler)
	status := func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		http.Error(w, "not now", http.StatusServiceUnavailable)
	}
	replace := func(old, with string) answer {
		return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			recorder := httptest.NewRecorder()
			next.ServeHTTP(recorder, r)
			w.Header().Set("Content-Type", recorder.Header().Get("Content-Type"))
			_, _ = w.Write(bytes.Replace(recorder.Body.Bytes(), []byte(old), []byte(with), 1))
		}
	}
	nothing := func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/x-protobuf")
		w.WriteHeader(http.StatusOK)
	}
	html := func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { _, _ = w.Write([]byte("<html>")) }
	for name, c := range map[string]struct {
		workload, path string
		answer         answer
		kind, text     string
	}{
		"a read with a status":      {"reads", "/v2/snapshot_read", status, "status 503", "not now"},
		"a write with a status":     {"writes", "/v2/atomic_write", status, "status 503", "not now"},
		"a read of nothing":         {"reads", "/v2/snapshot_read", nothing, "wrong reply", "SR_UNSPECIFIED"},
		"a list of nothing":         {"list10", "/v2/snapshot_read", nothing, "wrong reply", "SR_UNSPECIFIED"},
		"a write of nothing":        {"writes", "/v2/atomic_write", nothing, "wrong reply", "AW_UNSPECIFIED"},
		"another type of content":   {"reads", "/v2/snapshot_read", html, "wrong reply", "content type"},
		"a read of another key":     {"reads", "/v2/snapshot_read", replace("entries", "entreis"), "wrong reply", "another key"},
		"a list of another key":     {"list10", "/v2/snapshot_read", replace("entries", "entreis"), "wrong reply", "another key"},
		"a watch with a status":     {"watches", "/v2/watch", status, "", "status 503"},
		"a fan-out with a status":   {"fanout", "/v2/watch", status, "", "status 503"},
		"a read beside of nothing":  {"fanout", "/v2/snapshot_read", nothing, "wrong reply", "SR_UNSPECIFIED"},
		"a cold start without data": {"coldstart", "/v2/snapshot_read", nothing, "wrong reply", "SR_UNSPECIFIED"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			calls := 0
			s := startServer(t, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					mu.Lock()
					if r.URL.Path == c.path {
						calls++
					}
					// The first ones prepare: a list of the bench's keys, five writes of entries.
					spoil := r.URL.Path == c.path && (calls > 5 || c.path == "/v2/watch") && calls < 12
					mu.Unlock()
					if spoil {
						c.answer(w, r, next)
						return
					}
					next.ServeHTTP(w, r)
				})
			})
			options := s.options(httpconn.HTTP2, c.workload)
			options.Warmup, options.Concurrency, options.Keys = 0, 1, 20
			if strings.HasPrefix(c.path, "/v2/atomic") {
				options.Keys, options.ValueBytes = 25, 65536 // as many batches
			}
			options.Duration = 2 * time.Second // for a dozen calls on a machine that is busy
			report, err := bench.Run(t.Context(), options)
			if c.kind == "" {
				if err == nil || !strings.Contains(err.Error(), c.text) {
					t.Errorf("the run ended with %v", err)
				}
				return
			}
			if report == nil {
				t.Fatal(err)
			}
			r := report.Results[0]
			if len(r.Errors) != 1 || r.Errors[0].Kind != c.kind || !strings.Contains(r.Errors[0].First, c.text) || r.ErrorCount != r.Errors[0].Count {
				t.Errorf("the report says %+v", r)
			}
		})
	}
}

// What was measured before a server went away is reported.
func TestServerThatGoesAway(t *testing.T) {
	t.Parallel()
	var exchanges atomic.Int32
	s := startServer(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			// One exchange to begin with, and one before each workload.
			if r.URL.Path == "/" && exchanges.Add(1) > 2 {
				http.Error(w, "closed for ever", http.StatusServiceUnavailable)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	report, err := bench.Run(t.Context(), s.options(httpconn.HTTP2, "reads", "writes"))
	wantError(t, err, "^open http://.*: status 503: closed for ever: ")
	if report == nil || len(report.Results) != 1 || report.Results[0].Workload != "reads" || report.Results[0].Operations == 0 {
		t.Errorf("the report is %+v", report)
	}
}

// A connection that breaks is one error, and another one takes its place.
func TestBrokenConnection(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	calls := 0
	s := startServer(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			if r.URL.Path == "/v2/snapshot_read" {
				calls++
			}
			abort := calls == 3
			if abort {
				calls++ // once
			}
			mu.Unlock()
			if abort {
				panic(http.ErrAbortHandler)
			}
			next.ServeHTTP(w, r)
		})
	})
	options := s.options(httpconn.HTTP1, "reads")
	options.Warmup, options.Concurrency, options.Connections, options.Duration = 0, 1, 1, time.Second
	report, err := bench.Run(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	r := report.Results[0]
	if r.ErrorCount != 1 || r.Errors[0].Kind != "connection lost" || r.Operations < 2 {
		t.Errorf("the report says %+v", r)
	}
}

// A server that loses an increment is found out, even if a write fails besides.
func TestLostUpdate(t *testing.T) {
	t.Parallel()
	for name, failing := range map[string]int32{"all writes succeed": 0, "a write fails": 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testLostUpdate(t, failing)
		})
	}
}

func testLostUpdate(t *testing.T, failing int32) {
	t.Helper()
	var writes atomic.Int32
	// Checks are taken out of the writes.
	s := startServer(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v2/atomic_write" {
				if writes.Add(1) == failing {
					http.Error(w, "not now", http.StatusServiceUnavailable)
					return
				}
				withoutChecks(t, r)
			}
			next.ServeHTTP(w, r)
		})
	})
	options := s.options(httpconn.HTTP2, "checks")
	options.ContendedKeys, options.Duration = 1, 1500*time.Millisecond
	report, err := bench.Run(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	r := report.Results[0]
	if !slices.ContainsFunc(r.Errors, func(e bench.ErrorCount) bool { return strings.Contains(e.First, "may have been, but the counters say") }) {
		t.Errorf("the report says %+v", r)
	}
}

func TestServersThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	for name, c := range map[string]struct {
		change func(*bench.Options)
		want   string
	}{
		"wrong token":    {func(o *bench.Options) { o.Servers[0].AccessToken = "another-token" }, "give the access token of this server"},
		"wrong path":     {func(o *bench.Options) { o.Servers[0].URL = s.url.JoinPath("nowhere") }, "status 404: .*programs give to Deno.openKv"},
		"nobody listens": {func(o *bench.Options) { o.Servers[0].URL = &url.URL{Scheme: "http", Host: "127.0.0.1:1"} }, "refused: check the URL, and that the server runs there"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := s.options(httpconn.HTTP2, "reads")
			options.Servers = append([]bench.Server(nil), options.Servers...)
			c.change(&options)
			report, err := bench.Run(t.Context(), options)
			wantError(t, err, c.want)
			if report != nil {
				t.Error("there is a report")
			}
		})
	}
}

func TestInterruption(t *testing.T) {
	t.Parallel()
	for _, workload := range []string{"reads", "watches", "fanout", "coldstart"} {
		t.Run(workload, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, nil)
			s.store(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			options := s.options(httpconn.HTTP2, workload, "writes")
			options.Warmup, options.Duration = 0, time.Hour
			// The line of progress tells when something was measured.
			options.Progress = writerFunc(func(line string) {
				if strings.Contains(line, "operations/s") && !strings.Contains(line, " 0 operations/s") {
					cancel()
				}
			})
			report, err := bench.Run(ctx, options)
			if err != nil {
				t.Fatal(err)
			}
			if !report.Interrupted || len(report.Results) != 1 || report.Results[0].Operations == 0 || report.Results[0].ErrorCount != 0 {
				t.Errorf("the report says %+v", report)
			}
			s.wantForeignAlone(t)
		})
	}
}

func TestInterruptionBeforeAnything(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	options := s.options(httpconn.HTTP2, "reads")
	options.Progress = writerFunc(func(line string) {
		if strings.Contains(line, "entries stored") {
			cancel()
		}
	})
	_, err := bench.Run(ctx, options)
	wantError(t, err, "interrupted before anything was measured")
}

func TestCompare(t *testing.T) {
	t.Parallel()
	first, second := startServer(t, nil), startServer(t, nil)
	options := first.options(httpconn.HTTP2, "reads", "writes")
	options.Servers = append(options.Servers, bench.Server{Name: "theirs", URL: second.url, AccessToken: accessToken, PID: os.Getpid()})
	options.Rounds = 3
	report, err := bench.Run(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Results) != 4 || len(report.Ratios) != 2 {
		t.Fatalf("%d results and %d ratios", len(report.Results), len(report.Ratios))
	}
	for _, r := range report.Results {
		var operations uint64
		for _, round := range r.Rounds {
			operations += round.Operations
		}
		if len(r.Rounds) != 3 || operations != r.Operations || operations == 0 {
			t.Errorf("%s on %s: %d rounds with %d operations, together %d", r.Workload, r.Server, len(r.Rounds), operations, r.Operations)
		}
		if known := r.ServerCPUUsPerOperation != nil; known != (runtime.GOOS == "linux") {
			t.Errorf("%s on %s: the CPU of the server is known: %v", r.Workload, r.Server, known)
		}
	}
	for _, ratio := range report.Ratios {
		s := ratio.OperationsPerSecond
		if ratio.Base != "ours" || ratio.Server != "theirs" || s == nil || s.Lowest <= 0 || s.Lowest > s.Median || s.Median > s.Highest {
			t.Errorf("ratio %+v with %v", ratio, s)
		}
	}
}
