package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// storageSeries is what is told of all databases together.
type storageSeries struct {
	groupWrites        prometheus.Histogram
	commitSeconds      prometheus.Histogram
	readWaitSeconds    prometheus.Histogram
	checkpointSeconds  prometheus.Histogram
	checkpointFailures prometheus.Counter
	sweptKeys          prometheus.Counter
	expiryLagSeconds   prometheus.Histogram
}

func (s *storageSeries) register(registry prometheus.Registerer) {
	s.groupWrites = newHistogram("commit_group_writes",
		"How many writes were made durable together by one commit.", prometheus.ExponentialBuckets(1, 2, 9))
	s.commitSeconds = newHistogram("commit_duration_seconds",
		"Time from the begin of a transaction until it was durable.", secondsBuckets())
	s.readWaitSeconds = newHistogram("read_pool_wait_seconds",
		"How long reads waited for a connection, of those that found none idle.", secondsBuckets())
	s.checkpointSeconds = newHistogram("checkpoint_duration_seconds",
		"How long it took to write the WAL back into the file.", secondsBuckets())
	s.checkpointFailures = prometheus.NewCounter(counterOpts("checkpoint_failures_total",
		"How often the WAL could not be written back into the file."))
	s.sweptKeys = prometheus.NewCounter(counterOpts("expired_keys_swept_total", "Expired keys that were removed from the file."))
	// Up to about a day: a server that was down for long finds much that has expired.
	s.expiryLagSeconds = newHistogram("expiry_lag_seconds",
		"How long before it was removed from the file the first key of a sweep had expired.",
		[]float64{1e-3, 5e-3, 25e-3, 100e-3, 500e-3, 1, 5, 15, 60, 300, 3600, 86400})
	registry.MustRegister(s.groupWrites, s.commitSeconds, s.readWaitSeconds, s.checkpointSeconds, s.checkpointFailures,
		s.sweptKeys, s.expiryLagSeconds)
}

// GroupCommitted implements sqlitebackend.Observer.
func (m *Metrics) GroupCommitted(writes int, took time.Duration) {
	m.groupWrites.Observe(float64(writes))
	m.commitSeconds.Observe(took.Seconds())
}

// ReadWaited implements sqlitebackend.Observer.
func (m *Metrics) ReadWaited(waited time.Duration) { m.readWaitSeconds.Observe(waited.Seconds()) }

// Checkpointed implements sqlitebackend.Observer.
func (m *Metrics) Checkpointed(took time.Duration, err error) {
	m.checkpointSeconds.Observe(took.Seconds())
	if err != nil {
		m.checkpointFailures.Inc()
	}
}

// Swept implements sqlitebackend.Observer.
func (m *Metrics) Swept(keys int, lag time.Duration) {
	m.sweptKeys.Add(float64(keys))
	m.expiryLagSeconds.Observe(lag.Seconds())
}
