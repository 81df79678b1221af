package service

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/metrics"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// MetricsOptions says what is measured.
type MetricsOptions struct {
	// Enabled has the admin listener serve /metrics.
	Enabled bool
	// PerDatabase and MaxDatabases are those of metrics.Options.
	PerDatabase  bool
	MaxDatabases int
}

// telemetry measures what the server does, or nothing.
type telemetry struct {
	metrics *metrics.Metrics // nil for nothing
}

func newTelemetry(options Options) telemetry {
	if !options.Metrics.Enabled {
		return telemetry{}
	}
	return telemetry{metrics.New(metrics.Options{
		Version: options.Version, Revision: options.Revision,
		PerDatabase: options.Metrics.PerDatabase, MaxDatabases: options.Metrics.MaxDatabases,
	})}
}

// requests is told of each request; it is nil for nobody.
func (t telemetry) requests() kvconnect.Observer {
	if t.metrics == nil {
		return nil
	}
	return t.metrics
}

// storage is told what databases do; it is nil for nobody.
func (t telemetry) storage() sqlitebackend.Observer {
	if t.metrics == nil {
		return nil
	}
	return t.metrics
}

// ask has each scrape ask the sources. It is called once.
func (t telemetry) ask(sources metrics.Sources) {
	if t.metrics != nil {
		t.metrics.AddSources(sources)
	}
}

// countKeys has the keys of the store counted from time to time, until ctx ends.
func (t telemetry) countKeys(ctx context.Context, store store, logger *slog.Logger) {
	if t.metrics == nil {
		return
	}
	countKeys(ctx, func() (open []keyCounter) {
		for _, backend := range store.openDatabases() {
			open = append(open, backend)
		}
		return open
	}, logger)
}

// handler serves /metrics, and leaves the rest to next.
func (t telemetry) handler(next http.Handler, logger *slog.Logger) http.Handler {
	if t.metrics == nil {
		return next
	}
	scrape := t.metrics.Handler(logger)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" {
			scrape.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// tokensOf tells metrics of an authority.
func tokensOf(authority *auth.Authority) metrics.Tokens {
	stats := authority.Stats()
	return metrics.Tokens{
		CacheHits: stats.CacheHits, CacheMisses: stats.CacheMisses,
		SigningKeyID: stats.SigningKeyID, SigningKeyCreatedAt: stats.SigningKeyCreatedAt, Keys: stats.VerifyingKeys,
	}
}

// databasesOf tells metrics of databases that are open. One whose sizes cannot be had is left
// out: a scrape tells of the others.
func databasesOf(open []*sqlitebackend.Backend) []metrics.Database {
	databases := make([]metrics.Database, 0, len(open))
	for _, backend := range open {
		gauges, err := backend.Gauges()
		if err != nil {
			continue
		}
		databases = append(databases, metrics.Database{
			ID: backend.DatabaseID(), FileBytes: gauges.FileBytes, WALBytes: gauges.WALBytes,
			Keys: gauges.Keys, ReadOnly: gauges.ReadOnly, Unwritable: backend.Trouble() != nil,
		})
	}
	return databases
}
