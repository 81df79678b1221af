package metrics

import (
	"runtime"

	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"
)

// DefaultMaxDatabases is how many databases have series of their own unless the operator says
// otherwise.
const DefaultMaxDatabases = 100

// namespace is what the names begin with.
const namespace = "kvconnect"

// Options says what is told.
type Options struct {
	// Version and Revision are those of the program. Revision is the commit that it was
	// built from, "" if that is not known.
	Version, Revision string
	// PerDatabase gives each database series of its own. There are no more than
	// MaxDatabases that have them, DefaultMaxDatabases if it is 0 or less: the others share
	// the label "other".
	PerDatabase  bool
	MaxDatabases int
}

// Metrics is a kvconnect.Observer and a sqlitebackend.Observer that counts, and a
// prometheus.Gatherer of what it has counted. It is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	slots    *databaseSlots // nil unless databases have series of their own

	requestSeries
	watchSeries
	storageSeries
}

var (
	_ kvconnect.Observer  = (*Metrics)(nil)
	_ prometheus.Gatherer = (*Metrics)(nil)
)

// New gives a Metrics that has counted nothing yet.
func New(options Options) *Metrics {
	m := &Metrics{registry: prometheus.NewPedanticRegistry()}
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		newBuildInfo(options.Version, options.Revision),
	)
	if options.PerDatabase {
		if options.MaxDatabases <= 0 {
			options.MaxDatabases = DefaultMaxDatabases
		}
		m.slots = newDatabaseSlots(options.MaxDatabases)
		m.registry.MustRegister(m.slots)
	}
	m.requestSeries.register(m.registry)
	m.watchSeries.register(m.registry)
	m.storageSeries.register(m.registry)
	return m
}

// Gather implements prometheus.Gatherer.
func (m *Metrics) Gather() ([]*dto.MetricFamily, error) { return m.registry.Gather() }

// newBuildInfo is always 1, and tells by its labels what is running.
func newBuildInfo(version, revision string) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info",
		Help: "Always 1; its labels tell what is running.",
		ConstLabels: prometheus.Labels{
			"version": version, "goversion": runtime.Version(), "revision": revision,
		},
	}, func() float64 { return 1 })
}
