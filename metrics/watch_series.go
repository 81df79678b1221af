package metrics

import (
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
)

// watchSeries is what is told of watches.
type watchSeries struct {
	openWatches atomic.Int64
	delivery    prometheus.Histogram
	frames      prometheus.Counter
	frameBytes  prometheus.Counter
}

func (s *watchSeries) register(registry prometheus.Registerer) {
	s.delivery = newHistogram("watch_delivery_seconds",
		"Time from when a watch was told of a change until the frame with it was given to the transport.", secondsBuckets())
	s.frames = prometheus.NewCounter(counterOpts("watch_frames_total",
		"Frames with news for watches, their first frames and signs of life not included."))
	s.frameBytes = prometheus.NewCounter(counterOpts("watch_frame_bytes_total", "Bytes of the frames with news for watches."))
	registry.MustRegister(s.delivery, s.frames, s.frameBytes, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Name: "watches_open", Help: "Watches that are open.",
	}, func() float64 { return float64(s.openWatches.Load()) }))
}

// WatchOpened implements kvconnect.Observer.
func (m *Metrics) WatchOpened(databaseID uuid.UUID) { m.countWatch(databaseID, 1) }

// WatchClosed implements kvconnect.Observer.
func (m *Metrics) WatchClosed(databaseID uuid.UUID) { m.countWatch(databaseID, -1) }

func (m *Metrics) countWatch(databaseID uuid.UUID, change int64) {
	m.openWatches.Add(change)
	if m.slots != nil {
		m.slots.countWatch(databaseID, change)
	}
}

// WatchDelivered implements kvconnect.Observer.
func (m *Metrics) WatchDelivered(_ uuid.UUID, frameBytes int, latency time.Duration) {
	m.delivery.Observe(latency.Seconds())
	m.frames.Inc()
	m.frameBytes.Add(float64(frameBytes))
}
