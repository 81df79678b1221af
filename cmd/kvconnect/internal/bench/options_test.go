package bench_test

import (
	"math"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/bench"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/httpconn"
)

func TestOptionsThatAreRefused(t *testing.T) {
	t.Parallel()
	s := startServer(t, nil)
	for name, c := range map[string]struct {
		change func(*bench.Options)
		want   string
	}{
		"no server":               {func(o *bench.Options) { o.Servers = nil }, "^no server: name one with --url"},
		"no workload":             {func(o *bench.Options) { o.Workloads = nil }, "^--workload is empty: choose from reads, "},
		"an unknown workload":     {func(o *bench.Options) { o.Workloads = []string{"raeds"} }, "^--workload raeds is not known: choose from reads, "},
		"a workload twice":        {func(o *bench.Options) { o.Workloads = []string{"reads", "writes", "reads"} }, "^--workload reads is named twice$"},
		"too few keys":            {func(o *bench.Options) { o.Workloads, o.Keys = []string{"list500"}, 499 }, "^--workload list500 needs --keys 500 or more$"},
		"no keys":                 {func(o *bench.Options) { o.Keys = 0 }, "^--keys 0: give a number from 1 to 100000000$"},
		"a long value":            {func(o *bench.Options) { o.ValueBytes = 65537 }, "^--value-bytes 65537: give a number from 1 to 65536$"},
		"no concurrency":          {func(o *bench.Options) { o.Concurrency = 0 }, "^--concurrency 0: "},
		"no connection":           {func(o *bench.Options) { o.Connections = -1 }, "^--connections -1: "},
		"no round":                {func(o *bench.Options) { o.Rounds = 0 }, "^--rounds 0: "},
		"no watcher":              {func(o *bench.Options) { o.Watchers = 0 }, "^--watchers 0: "},
		"too many watchers":       {func(o *bench.Options) { o.Workloads, o.Watchers = []string{"fanout", "watches"}, 20_001 }, "^--watchers 20001: give at most 20000 with --workload watches; "},
		"more keys than watchers": {func(o *bench.Options) { o.WatchedKeys = o.Watchers + 1 }, "^--watched-keys 6: give a number from 1 to 5$"},
		"no contended key":        {func(o *bench.Options) { o.ContendedKeys = 0 }, "^--contended-keys 0: "},
		"no time":                 {func(o *bench.Options) { o.Duration = 0 }, "^--duration 0s: give a time such as 5s$"},
		"a warm-up below 0":       {func(o *bench.Options) { o.Warmup = -time.Second }, "^--warmup -1s: "},
		"no timeout":              {func(o *bench.Options) { o.Timeout = 0 }, "^--timeout 0s: "},
		"a share above 1":         {func(o *bench.Options) { o.ReadShare = 1.5 }, "^--read-share 1.5: give a number from 0 to 1$"},
		"a share that is NaN":     {func(o *bench.Options) { o.ReadShare = math.NaN() }, "^--read-share NaN: "},
		"too few connections":     {func(o *bench.Options) { o.HTTP, o.Connections = httpconn.HTTP1, 7 }, "^--connections 7 with --http 1.1: .* --concurrency 8 needs as many$"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := s.options(httpconn.HTTP2, "reads")
			c.change(&options)
			_, err := bench.Run(t.Context(), options)
			wantError(t, err, c.want)
		})
	}
}
