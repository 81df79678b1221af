package main

import (
	"errors"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/service"
	"github.com/kvconnect/kvconnect/metrics"
	"github.com/spf13/pflag"
)

const (
	flagMetrics             = "metrics"
	flagMetricsPerDatabase  = "metrics-per-database"
	flagMetricsMaxDatabases = "metrics-max-databases"
	flagProfiles            = "pprof"
)

// metricsFlags say what the admin listener tells of the inside of the server.
type metricsFlags struct {
	options  service.MetricsOptions
	profiles bool
}

// addTo gives the flags to a set.
func (m *metricsFlags) addTo(f *pflag.FlagSet) {
	f.BoolVar(&m.options.Enabled, flagMetrics, true, "serve metrics for Prometheus at /metrics of the admin listener")
	f.BoolVar(&m.options.PerDatabase, flagMetricsPerDatabase, false, "give each database metrics of its own, by its id")
	f.IntVar(&m.options.MaxDatabases, flagMetricsMaxDatabases, metrics.DefaultMaxDatabases,
		"the `number` of databases that get metrics of their own; those that come later share the label \"other\"")
	f.BoolVar(&m.profiles, flagProfiles, false,
		"serve profiles of the process at /debug/pprof/ of the admin listener: with a data folder to who has the admin token, "+
			"else to this machine alone")
}

// resolve fails for what makes no sense.
func (m *metricsFlags) resolve() (service.MetricsOptions, error) {
	switch {
	case m.options.MaxDatabases < 1:
		return service.MetricsOptions{}, errors.New("--" + flagMetricsMaxDatabases + ": give a number from 1 on")
	case m.options.PerDatabase && !m.options.Enabled:
		return service.MetricsOptions{}, errors.New("--" + flagMetricsPerDatabase + " is for metrics: leave --" + flagMetrics + "=false out")
	default:
		return m.options, nil
	}
}
