package bench

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/httpconn"
)

// reportFormat is raised when a field of the report changes its meaning or goes.
const reportFormat = 1

// Report is what a run has come to, in the form of its JSON. Units are in the names;
// docs/bench.md says what each field means.
type Report struct {
	Format      int            `json:"format"`
	Interrupted bool           `json:"interrupted"`
	Settings    Settings       `json:"settings"`
	Servers     []ServerReport `json:"servers"`
	Results     []Result       `json:"results"`
	Ratios      []Ratio        `json:"ratios"`
}

// Settings repeats the options.
type Settings struct {
	Workloads       []string `json:"workloads"`
	DurationSeconds float64  `json:"duration_seconds"`
	WarmupSeconds   float64  `json:"warmup_seconds"`
	TimeoutSeconds  float64  `json:"timeout_seconds"`
	Rounds          int      `json:"rounds"`
	Concurrency     int      `json:"concurrency"`
	Connections     int      `json:"connections"`
	HTTP            string   `json:"http"`
	Keys            int      `json:"keys"`
	ValueBytes      int      `json:"value_bytes"`
	ReadShare       float64  `json:"read_share"`
	ContendedKeys   int      `json:"contended_keys"`
	Watchers        int      `json:"watchers"`
	WatchedKeys     int      `json:"watched_keys"`
	Seed            uint64   `json:"seed"`
}

// ServerReport names a server.
type ServerReport struct {
	Name            string `json:"name"`
	URL             string `json:"url"`
	ProtocolVersion int    `json:"protocol_version"`
	// PID is the process whose CPU was measured, null for none.
	PID *int `json:"pid"`
}

// Result is one workload on one server: all rounds together, and each.
type Result struct {
	Workload string `json:"workload"`
	Server   string `json:"server"`
	Figures
	Errors []ErrorCount `json:"errors"`
	Rounds []Figures    `json:"rounds"`
}

// Figures is what was measured.
type Figures struct {
	Operations          uint64  `json:"operations"`
	ElapsedSeconds      float64 `json:"elapsed_seconds"`
	OperationsPerSecond float64 `json:"operations_per_second"`
	P50Us               float64 `json:"p50_us"`
	P90Us               float64 `json:"p90_us"`
	P99Us               float64 `json:"p99_us"`
	P999Us              float64 `json:"p99_9_us"`
	MaxUs               float64 `json:"max_us"`
	// The CPU is null where it cannot be known.
	ServerCPUUsPerOperation *float64 `json:"server_cpu_us_per_operation"`
	ClientCPUUsPerOperation *float64 `json:"client_cpu_us_per_operation"`
	ErrorCount              uint64   `json:"error_count"`
	// Conflicts counts the atomic writes that a check refused.
	Conflicts uint64 `json:"conflicts"`
	// FanOut is there in the workload fanout alone.
	FanOut *FanOutFigures `json:"fan_out,omitempty"`
}

// FanOutFigures is what the workload fanout measures besides.
type FanOutFigures struct {
	Watches int `json:"watches"`
	// OpenSeconds is the time from the first connection to the first state of the last
	// watch; of several rounds, the longest.
	OpenSeconds         float64 `json:"open_seconds"`
	DeliveriesPerSecond float64 `json:"deliveries_per_second"`
	// ServerBytesPerWatch is by how much the resident memory of the server has grown, for
	// each watch; of several rounds, the most, as later ones use memory again. It is null
	// where it cannot be known.
	ServerBytesPerWatch *float64 `json:"server_bytes_per_watch"`
	// The reads beside.
	Reads      uint64  `json:"reads"`
	ReadsP50Us float64 `json:"reads_p50_us"`
	ReadsP99Us float64 `json:"reads_p99_us"`
	ReadsMaxUs float64 `json:"reads_max_us"`
}

func newReport(options *Options, sessions []*session, outcomes map[cell][]*outcome, interrupted bool) *Report {
	report := &Report{
		Format: reportFormat, Interrupted: interrupted,
		Settings: Settings{
			Workloads: options.Workloads, DurationSeconds: options.Duration.Seconds(), WarmupSeconds: options.Warmup.Seconds(),
			TimeoutSeconds: options.Timeout.Seconds(),
			Rounds:         options.Rounds, Concurrency: options.Concurrency, Connections: options.Connections,
			HTTP: map[httpconn.Version]string{httpconn.HTTP1: "1.1", httpconn.HTTP2: "2"}[options.HTTP],
			Keys: options.Keys, ValueBytes: options.ValueBytes, ReadShare: options.ReadShare,
			ContendedKeys: options.ContendedKeys, Watchers: options.Watchers, WatchedKeys: options.WatchedKeys, Seed: options.Seed,
		},
		Results: []Result{}, Ratios: []Ratio{},
	}
	for _, s := range sessions {
		server := ServerReport{Name: s.server.Name, URL: s.server.URL.String(), ProtocolVersion: s.database.version}
		if pid := s.server.PID; pid != 0 {
			server.PID = &pid
		}
		report.Servers = append(report.Servers, server)
	}
	for _, workload := range options.Workloads {
		for i, server := range report.Servers {
			if rounds := outcomes[cell{workload, i}]; len(rounds) > 0 {
				report.Results = append(report.Results, newResult(workload, server.Name, rounds))
			}
		}
	}
	if len(sessions) > 1 {
		report.Ratios = ratios(options.Workloads, report.Servers, report.Results)
	}
	return report
}

func newResult(workload, server string, rounds []*outcome) Result {
	whole := outcome{errors: make(errorCounts), cpu: rounds[0].cpu}
	result := Result{Workload: workload, Server: server, Errors: []ErrorCount{}}
	for i, o := range rounds {
		result.Rounds = append(result.Rounds, o.figures())
		whole.histogram.Merge(&o.histogram)
		whole.errors.merge(o.errors)
		whole.conflicts += o.conflicts
		whole.elapsed += o.elapsed
		whole.fanOut = whole.fanOut.plus(o.fanOut)
		if i > 0 {
			whole.cpu = whole.cpu.plus(o.cpu)
		}
	}
	result.Figures = whole.figures()
	for _, e := range whole.errors {
		result.Errors = append(result.Errors, *e)
	}
	slices.SortFunc(result.Errors, func(a, b ErrorCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Kind, b.Kind))
	})
	return result
}

// failure tells of the workloads of which nothing worked.
func (r *Report) failure() error {
	var errs []error
	for _, result := range r.Results {
		if result.Operations == 0 && result.ErrorCount > 0 {
			errs = append(errs, fmt.Errorf("no operation of %s succeeded on %s: %s", result.Workload, result.Server, result.Errors[0].First))
		}
	}
	return inOneLine(errs...)
}

func (o *outcome) figures() Figures {
	h := &o.histogram
	f := Figures{
		Operations: h.Count(), ElapsedSeconds: o.elapsed.Seconds(),
		P50Us: microseconds(h.Quantile(0.5)), P90Us: microseconds(h.Quantile(0.9)), P99Us: microseconds(h.Quantile(0.99)),
		P999Us: microseconds(h.Quantile(0.999)), MaxUs: microseconds(h.Max()),
		ServerCPUUsPerOperation: perOperation(o.cpu.server, h.Count()), ClientCPUUsPerOperation: perOperation(o.cpu.client, h.Count()),
		ErrorCount: o.errors.total(), Conflicts: o.conflicts,
	}
	if o.elapsed > 0 {
		f.OperationsPerSecond = float64(h.Count()) / o.elapsed.Seconds()
	}
	if o.fanOut != nil {
		f.FanOut = o.fanOut.figures(o.elapsed)
	}
	return f
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func perOperation(cpu *time.Duration, operations uint64) *float64 {
	if cpu == nil || operations == 0 {
		return nil
	}
	us := microseconds(*cpu) / float64(operations)
	return &us
}
