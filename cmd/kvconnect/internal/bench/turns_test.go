package bench_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/bench"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/httpconn"
)

// Another server begins in each round.
func TestTurns(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var turns []string
	named := func(name string) *liveServer {
		return startServer(t, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/" {
					mu.Lock()
					turns = append(turns, name)
					mu.Unlock()
				}
				next.ServeHTTP(w, r)
			})
		})
	}
	a, b := named("a"), named("b")
	options := a.options(httpconn.HTTP2, "reads")
	options.Servers = append(options.Servers, bench.Server{Name: "theirs", URL: b.url, AccessToken: accessToken})
	options.Rounds = 3
	if _, err := bench.Run(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(turns, ""), "ab"+"ab"+"ba"+"ab"; got != want { // to begin with, and in each round
		t.Errorf("the turns are %s, want %s", got, want)
	}
}

// What a watch takes includes the commit.
func TestWatchesIncludeTheCommit(t *testing.T) {
	t.Parallel()
	const commit = 30 * time.Millisecond
	s := startServer(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/atomic_write") {
				<-time.After(commit)
			}
			next.ServeHTTP(w, r)
		})
	})
	options := s.options(httpconn.HTTP2, "watches")
	options.Duration = 200 * time.Millisecond
	report, err := bench.Run(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	if p50 := report.Results[0].P50Us; p50 < float64(commit.Microseconds()) {
		t.Errorf("half of them took %v µs, less than the commit alone", p50)
	}
}
