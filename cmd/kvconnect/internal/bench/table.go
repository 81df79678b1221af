package bench

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// WriteTable writes the report for a terminal.
func (r *Report) WriteTable(w io.Writer) error {
	var b bytes.Buffer
	s := r.Settings
	fmt.Fprintf(&b, "HTTP/%s, %s in flight over %s, %s of %s, %v s each",
		s.HTTP, counted(s.Concurrency, "call", "calls"), counted(s.Connections, "connection", "connections"),
		counted(s.Keys, "entry", "entries"), counted(s.ValueBytes, "byte", "bytes"), s.DurationSeconds)
	if s.Rounds > 1 {
		fmt.Fprintf(&b, ", %d rounds", s.Rounds)
	}
	b.WriteString("\n\n")
	table := &alignedTable{several: len(r.Servers) > 1}
	table.line("workload", "server", "ops/s", "p50", "p90", "p99", "p99.9", "max", "server CPU", "client CPU", "errors")
	for _, result := range r.Results {
		f := result.Figures
		table.line(result.Workload, result.Server, rate(f.OperationsPerSecond),
			duration(f.P50Us), duration(f.P90Us), duration(f.P99Us), duration(f.P999Us), duration(f.MaxUs),
			cpu(f.ServerCPUUsPerOperation), cpu(f.ClientCPUUsPerOperation), strconv.FormatUint(f.ErrorCount, 10))
	}
	table.writeTo(&b)
	r.writeRatios(&b)
	r.writeNotes(&b)
	_, err := w.Write(b.Bytes())
	return err
}

func (r *Report) writeRatios(b *bytes.Buffer) {
	if len(r.Ratios) == 0 {
		return
	}
	fmt.Fprintf(b, "\nas a multiple of %s in the same round: median (lowest to highest)\n\n", r.Servers[0].Name)
	table := &alignedTable{several: true}
	table.line("workload", "server", "ops/s", "p50", "p99", "server CPU")
	for _, ratio := range r.Ratios {
		table.line(ratio.Workload, ratio.Server, ratio.OperationsPerSecond.String(), ratio.P50.String(), ratio.P99.String(), ratio.ServerCPUPerOperation.String())
	}
	table.writeTo(b)
}

// writeNotes tells what has no column.
func (r *Report) writeNotes(b *bytes.Buffer) {
	var notes []string
	for _, result := range r.Results {
		on := ""
		if len(r.Servers) > 1 {
			on = " on " + result.Server
		}
		if f := result.FanOut; f != nil {
			notes = append(notes, fmt.Sprintf("%s%s: %s", result.Workload, on, f.note()))
		}
		if result.Conflicts > 0 {
			notes = append(notes, fmt.Sprintf("%s%s: %d committed, %d conflicts", result.Workload, on, result.Operations, result.Conflicts))
		}
		for _, e := range result.Errors {
			notes = append(notes, fmt.Sprintf("%s%s: %d × %s, the first: %s", result.Workload, on, e.Count, e.Kind, e.First))
		}
	}
	if r.Interrupted {
		notes = append(notes, "interrupted: what was not measured is left out")
	}
	if len(notes) > 0 {
		fmt.Fprintf(b, "\n%s\n", strings.Join(notes, "\n"))
	}
}

// note tells of a fan-out in a line.
func (f *FanOutFigures) note() string {
	memory := ""
	if f.ServerBytesPerWatch != nil {
		memory = fmt.Sprintf(" of %s bytes of the server's memory each", grouped(*f.ServerBytesPerWatch))
	}
	return fmt.Sprintf("%s%s, opened in %.2f s; %s deliveries/s; beside them %s, p50 %s, p99 %s, max %s",
		counted(f.Watches, "watch", "watches"), memory, f.OpenSeconds, rate(f.DeliveriesPerSecond),
		counted(int(f.Reads), "read", "reads"), duration(f.ReadsP50Us), duration(f.ReadsP99Us), duration(f.ReadsMaxUs)) //nolint:gosec // far fewer than 2^63
}

// alignedTable aligns names to the left and figures to the right.
type alignedTable struct {
	several bool // servers; one alone needs no column
	lines   [][]string
}

func (t *alignedTable) line(workload, server string, figures ...string) {
	cells := []string{workload}
	if t.several {
		cells = append(cells, server)
	}
	t.lines = append(t.lines, append(cells, figures...))
}

func (t *alignedTable) writeTo(b *bytes.Buffer) {
	names := 1
	if t.several {
		names = 2
	}
	widths := make([]int, names)
	for _, cells := range t.lines {
		for i := range names {
			widths[i] = max(widths[i], len([]rune(cells[i])))
		}
	}
	aligned := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, cells := range t.lines {
		for i := range names {
			cells[i] += strings.Repeat(" ", widths[i]-len([]rune(cells[i])))
		}
		_, _ = fmt.Fprintf(aligned, "%s\t\n", strings.Join(cells, "\t")) // a buffer takes everything
	}
	_ = aligned.Flush() // as above
}

// String implements fmt.Stringer.
func (s *Spread) String() string {
	if s == nil {
		return "-"
	}
	return fmt.Sprintf("%.2f (%.2f to %.2f)", s.Median, s.Lowest, s.Highest)
}

// duration gives microseconds in a readable unit.
func duration(us float64) string {
	switch {
	case us <= 0:
		return "-"
	case us < 1e3:
		return fmt.Sprintf("%.0f µs", us)
	case us < 1e5:
		return fmt.Sprintf("%.2f ms", us/1e3)
	case us < 1e6:
		return fmt.Sprintf("%.0f ms", us/1e3)
	default:
		return fmt.Sprintf("%.2f s", us/1e6)
	}
}

func cpu(us *float64) string {
	if us == nil {
		return "-"
	}
	const millisecond = 1e3
	if *us >= millisecond {
		return fmt.Sprintf("%.2f ms", *us/millisecond)
	}
	return fmt.Sprintf("%.1f µs", *us)
}

// rate gives a number per second.
func rate(perSecond float64) string {
	const few = 100
	if perSecond < few {
		return fmt.Sprintf("%.1f", perSecond)
	}
	return grouped(perSecond)
}

// grouped gives a number with a comma after the thousands.
func grouped(n float64) string {
	digits := fmt.Sprintf("%.0f", n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(float64(n)) + " " + many
}
