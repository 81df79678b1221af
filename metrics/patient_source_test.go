package metrics_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/metrics"
)

// A disk that does not answer keeps no scrape from telling of everything else.
func TestScrapeWhileTheDiskHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var hangs chan struct{} // nil while the disk answers
		var asked atomic.Int64
		m := metrics.New(metrics.Options{})
		m.AddSources(metrics.Sources{
			Databases: func() []metrics.Database {
				asked.Add(1)
				if hangs != nil {
					<-hangs
				}
				return []metrics.Database{{ID: uuid.New(), FileBytes: 1000, Keys: 7}}
			},
			Connections: func() metrics.Connections { return metrics.Connections{Open: 3} },
		})
		handler := m.Handler(slog.New(slog.DiscardHandler))
		scrape := func() (text string, took time.Duration) {
			begun := time.Now()
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
			if recorder.Code != http.StatusOK {
				t.Fatalf("status %d: %s", recorder.Code, recorder.Body)
			}
			return recorder.Body.String(), time.Since(begun)
		}
		want := func(writable string, atMost time.Duration) {
			t.Helper()
			text, took := scrape()
			for _, line := range []string{
				"kvconnect_database_writable " + writable, "kvconnect_database_file_bytes 1000", "kvconnect_connections_open 3",
			} {
				if !strings.Contains(text, "\n"+line+"\n") {
					t.Errorf("a scrape does not tell that %s", line)
				}
			}
			if took > atMost {
				t.Errorf("a scrape took %v, want %v at the most", took, atMost)
			}
		}
		want("1", 0)
		hangs = make(chan struct{})
		for range 10 { // more than may be under way at once
			want("0", 5*time.Second)
		}
		if n := asked.Load(); n != 2 {
			t.Errorf("the disk was asked %d times, want 2: it had not answered", n)
		}
		close(hangs)
		synctest.Wait()
		want("1", 0)
	})
}
