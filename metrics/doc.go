// Package metrics counts and measures what a server does, for Prometheus.
//
//	m := metrics.New(metrics.Options{Version: "v1.2.3"})
//	server := kvconnect.New(kvconnect.Options{Observer: m, ...})
//	backend, err := sqlitebackend.Open(sqlitebackend.Options{Observer: m, ...})
//	m.AddSources(metrics.Sources{Databases: ...})
//	http.Handle("/metrics", m.Handler(logger))
//
// Each Metrics has a registry of its own. All names begin with kvconnect_, but for those that
// the collectors of Go and of the process have everywhere. docs/metrics.md lists them.
//
// # What is told
//
// Counts, sizes and times. Labels are words of a list that is known beforehand, statuses of
// HTTP, ids of databases if Options.PerDatabase is set, and ids of signing keys, which are
// public. No label holds a key, a value, a token or a name that somebody chose, so that
// who reads the metrics learns nothing of the data.
//
// # What it costs
//
// What is told of each request goes to counters and histograms that were looked up when the
// Metrics was made, or when their label first came up: no lock is taken and no memory. What
// can be asked for when somebody wants to know is asked for by each scrape, and costs nothing
// between (sources.go).
package metrics
