package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// namedLoad is a load with what it found in each round.
type namedLoad struct {
	name  string
	load  load
	found []figures
}

// median gives the median of one of the figures.
func (l namedLoad) median(of func(figures) float64) float64 {
	values := make([]float64, len(l.found))
	for i, f := range l.found {
		values[i] = of(f)
	}
	return median(values)
}

// loadColumns are the columns of the table of loads.
var loadColumns = []struct {
	name   string
	format string
	of     func(figures) float64
}{
	{"operations/s", "%.0f", func(f figures) float64 { return f.operationsPerSecond }},
	{"read p50", "%.2f ms", func(f figures) float64 { return milliseconds(f.readP50) }},
	{"read p99", "%.2f ms", func(f figures) float64 { return milliseconds(f.readP99) }},
	{"reads/s", "%.0f", func(f figures) float64 { return f.readsPerSecond }},
	{"write p50", "%.2f ms", func(f figures) float64 { return milliseconds(f.writeP50) }},
	{"write p99", "%.2f ms", func(f figures) float64 { return milliseconds(f.writeP99) }},
	{"writes/s", "%.0f", func(f figures) float64 { return f.writesPerSecond }},
	{"server CPU each", "%.0f µs", func(f figures) float64 { return f.cpuUsPerOperation }},
}

// The loads whose ratio is of interest.
const oneDatabaseLoad, manyDatabasesLoad = 2, 3

// reportLoads prints what each load found, and of two the ratio round by round.
func (m *manyDatabases) reportLoads(loads []namedLoad) {
	m.report.WriteString("\n| load |")
	for _, column := range loadColumns {
		fmt.Fprintf(&m.report, " %s |", column.name)
	}
	fmt.Fprintf(&m.report, "\n|---|%s\n", strings.Repeat("---|", len(loadColumns)))
	for i, l := range loads {
		fmt.Fprintf(&m.report, "| %s |", l.name)
		for _, column := range loadColumns {
			text := "-"
			if value := l.median(column.of); value > 0 {
				text = fmt.Sprintf(column.format, value)
			}
			fmt.Fprintf(&m.report, " %s |", text)
		}
		m.report.WriteString("\n")
		if i == manyDatabasesLoad {
			m.reportRatios(l, loads[oneDatabaseLoad])
		}
	}
}

// reportRatios prints the line of the figures of many divided by those of one: the median
// of the rounds, the lowest and the highest.
func (m *manyDatabases) reportRatios(many, one namedLoad) {
	m.report.WriteString("| that, divided by the line above |")
	for _, column := range loadColumns {
		var ratios []float64
		for i := range many.found {
			if divisor := column.of(one.found[i]); divisor > 0 {
				ratios = append(ratios, column.of(many.found[i])/divisor)
			}
		}
		if len(ratios) == 0 {
			m.report.WriteString(" - |")
			continue
		}
		fmt.Fprintf(&m.report, " %.2f (%.2f–%.2f) |", median(ratios), slices.Min(ratios), slices.Max(ratios))
	}
	m.report.WriteString("\n")
}

// namedFootprint is a footprint at one point.
type namedFootprint struct {
	name string
	footprint
}

// reportFootprints prints what the server held as it went on.
func (m *manyDatabases) reportFootprints(footprints []namedFootprint) {
	m.report.WriteString("\n| one server as it goes on | memory | of that, not of files | open files |\n|---|---|---|---|\n")
	for _, f := range footprints {
		fmt.Fprintf(&m.report, "| %s | %.1f MB | %.1f MB | %d |\n", f.name, megabytes(f.residentBytes), megabytes(f.anonymousBytes), f.openFiles)
	}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func milliseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

func inMs(d time.Duration) string { return fmt.Sprintf("%.2f ms", milliseconds(d)) }

func megabytes(bytes int64) float64 { return float64(bytes) / 1e6 }
