package bench_test

import (
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/bench"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/httpconn"
)

// Every write is seen by all watchers of its key, whatever their number.
func TestFanOut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		watchers, keys int
		version        httpconn.Version
		perWrite       float64
	}{
		"one key":               {60, 1, httpconn.HTTP2, 60},
		"some keys":             {60, 6, httpconn.HTTP2, 10},
		"a key for each":        {60, 60, httpconn.HTTP2, 1},
		"one key over HTTP/1.1": {20, 1, httpconn.HTTP1, 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, nil)
			s.store(t)
			options := s.options(c.version, "fanout")
			options.Watchers, options.WatchedKeys, options.Rounds = c.watchers, c.keys, 2
			options.Duration = 200 * time.Millisecond
			report, err := bench.Run(t.Context(), options)
			if err != nil {
				t.Fatal(err)
			}
			r := report.Results[0]
			f := r.FanOut
			if r.Operations == 0 || r.ErrorCount != 0 || f == nil || len(r.Rounds) != 2 {
				t.Fatalf("the report says %+v", r)
			}
			if got := f.DeliveriesPerSecond / r.OperationsPerSecond; math.Abs(got-c.perWrite) > 0.001 {
				t.Errorf("a write was seen by %v watchers, want %v", got, c.perWrite)
			}
			if f.Watches != c.watchers || f.OpenSeconds <= 0 || f.Reads == 0 || !(0 < f.ReadsP50Us && f.ReadsP50Us <= f.ReadsP99Us && f.ReadsP99Us <= f.ReadsMaxUs) {
				t.Errorf("the report says %+v", *f)
			}
			if known := f.ServerBytesPerWatch != nil; known != (runtime.GOOS == "linux") {
				t.Errorf("the memory of the server is known: %v", known)
			}
			s.wantForeignAlone(t)
		})
	}
}
