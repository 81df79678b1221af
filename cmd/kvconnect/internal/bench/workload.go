package bench

import (
	"context"
	"math/rand/v2"
	"strings"
)

// Workload tells a user what a workload does.
type Workload struct {
	Name  string
	About string
}

// workload is what is measured.
type workload struct {
	Workload
	// listEntries is how many entries it reads in one read.
	listEntries int
	// withoutEntries tells that it does not use the entries that are stored before.
	withoutEntries bool
	// watches tells that it opens watches, over HTTP/1.1 with a connection each.
	watches bool
	// dialsItself tells that its connections are not to be there before it begins.
	dialsItself bool
	// newWorker gives worker i of a closed loop. Nil if measure is set.
	newWorker func(e *environment, i int) worker
	// measure runs it otherwise. It calls begin once everything is prepared.
	measure func(ctx context.Context, e *environment, begin func() window) (*outcome, error)
}

// environment is what a workload runs in: one server, one round.
type environment struct {
	options  *Options
	session  *session
	entries  entrySet
	round    int
	progress *progress
}

// random gives the random choices of worker i, the same for the same seed, and others
// in each round.
func (e *environment) random(i int) *rand.Rand {
	return rand.New(rand.NewPCG(e.options.Seed, uint64(e.round)<<32|uint64(i+1))) //nolint:gosec // to be had again, not secret
}

// Workloads lists all there are.
func Workloads() []Workload {
	all := workloads()
	out := make([]Workload, len(all))
	for i, w := range all {
		out[i] = w.Workload
	}
	return out
}

func workloads() []workload {
	list := func(name string, entries int) workload {
		return workload{
			Workload:    Workload{name, "a list of so many entries from a random key on"},
			listEntries: entries,
			newWorker:   func(e *environment, i int) worker { return newListWorker(e, i, entries) },
		}
	}
	return []workload{
		{Workload: Workload{"reads", "a get of a random entry"}, newWorker: mixedWorkers(func(*Options) float64 { return 1 })},
		{Workload: Workload{"writes", "a set of a random entry"}, newWorker: mixedWorkers(func(*Options) float64 { return 0 })},
		{Workload: Workload{"mixed", "a get or a set of a random entry, by --read-share"}, newWorker: mixedWorkers(func(o *Options) float64 { return o.ReadShare })},
		list("list10", 10),
		list("list100", 100),
		list("list500", 500),
		{
			Workload:       Workload{"checks", "a get, and a set with a check, of one of few counters, repeated until it is committed"},
			withoutEntries: true, measure: measureChecks,
		},
		{
			Workload:       Workload{"watches", "a set of a watched key, seen by one of all watchers"},
			withoutEntries: true, watches: true, measure: measureWatches,
		},
		{
			Workload: Workload{"fanout", "a set of a watched key, seen by all watchers, beside a reader"},
			watches:  true, dialsItself: true, measure: measureFanOut,
		},
		{Workload: Workload{"coldstart", "a new connection, a metadata exchange and a get"}, newWorker: newColdStartWorker},
	}
}

// DefaultWorkloads is a selection for a quick look.
func DefaultWorkloads() []string {
	return []string{"reads", "writes", "mixed", "list100", "checks", "watches"}
}

func workloadNamed(name string) (workload, bool) {
	for _, w := range workloads() {
		if w.Name == name {
			return w, true
		}
	}
	return workload{}, false
}

func workloadList() string {
	var names []string
	for _, w := range workloads() {
		names = append(names, w.Name)
	}
	return strings.Join(names, ", ")
}

// run measures the workload once.
func (w workload) run(ctx context.Context, e *environment) (*outcome, error) {
	var m *meter
	begin := func() window {
		when := newWindow(e.options.Warmup, e.options.Duration)
		m = startMeter(ctx, e.session.server.PID, when.start)
		return when
	}
	var o *outcome
	var err error
	if w.measure != nil {
		o, err = w.measure(ctx, e, begin)
	} else {
		o = measureWorkers(ctx, e, begin(), w.newWorker)
	}
	if m == nil {
		return o, err
	}
	cpu := m.stop()
	if o != nil {
		o.cpu = cpu
	}
	return o, err
}

// measureWorkers runs the closed loop.
func measureWorkers(ctx context.Context, e *environment, w window, newWorker func(e *environment, i int) worker) *outcome {
	workers := make([]worker, e.options.Concurrency)
	recorders := make([]*recorder, len(workers))
	for i := range workers {
		workers[i], recorders[i] = newWorker(e, i), newRecorder(w)
	}
	e.progress.follow(recorders)
	work(ctx, w, e.options.Timeout, workers, recorders)
	return collect(w, recorders)
}
