package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// clearTimeout bounds the clearing of each server at the end, which goes on after an
// interruption.
const clearTimeout = 30 * time.Second

// errInterrupted is given when ctx ended before anything was measured.
var errInterrupted = errors.New("interrupted before anything was measured")

// Run does what options say and reports it. When ctx ends, it reports what it has. An
// error may come with a report: when a server went away meanwhile, when no operation of
// a workload succeeded, and when the keys could not be cleared.
func Run(ctx context.Context, options Options) (report *Report, err error) {
	if err := options.validate(); err != nil {
		return nil, err
	}
	r := &runner{options: &options, progress: newProgress(options.Progress), outcomes: make(map[cell][]*outcome)}
	defer r.progress.finish()
	if err := r.open(ctx); err != nil {
		return nil, interruption(ctx, err)
	}
	defer func() { err = inOneLine(err, r.close(ctx)) }()
	if err := r.prepare(ctx); err != nil {
		return nil, interruption(ctx, err)
	}
	err = r.measure(ctx)
	switch {
	case len(r.outcomes) == 0 && err == nil:
		return nil, errInterrupted
	case len(r.outcomes) == 0:
		return nil, err
	}
	report = newReport(&options, r.sessions, r.outcomes, interrupted(ctx))
	err = inOneLine(err, report.failure())
	return report, err
}

// interruption gives an error that the end of ctx has brought about a better text.
func interruption(ctx context.Context, err error) error {
	if interrupted(ctx) {
		return errInterrupted
	}
	return err
}

// runner is one run.
type runner struct {
	options  *Options
	progress *progress
	sessions []*session
	entries  entrySet
	outcomes map[cell][]*outcome
}

// cell is one field of the table of results.
type cell struct {
	workload string
	server   int
}

// open opens every server, before anything is stored on any of them.
func (r *runner) open(ctx context.Context) error {
	for _, server := range r.options.Servers {
		if _, ok := processCPU(server.PID); server.PID != 0 && !ok {
			return fmt.Errorf("--server-pid %d: there is no such process, or its CPU cannot be known here", server.PID)
		}
		s := newSession(server, r.options)
		if err := s.open(ctx); err != nil {
			return err
		}
		if server.PID == 0 {
			s.server.PID, _ = findProcess(ctx, s.database.endpoint)
		}
		if err := checkOpenFiles(connectionsOf(r.options), ownOpenFiles(), processOpenFiles(s.server.PID)); err != nil {
			return fmt.Errorf("%s: %w", s.server.Name, err)
		}
		r.sessions = append(r.sessions, s)
	}
	return nil
}

// prepare deletes what a run before has left, and stores the entries.
func (r *runner) prepare(ctx context.Context) (err error) {
	if r.entries, err = newEntrySet(r.options); err != nil {
		return err
	}
	needed := slices.ContainsFunc(r.options.Workloads, func(name string) bool {
		w, _ := workloadNamed(name)
		return !w.withoutEntries
	})
	for _, s := range r.sessions {
		r.progress.say("%s: clearing the keys of the bench", s.server.Name)
		if err := clearKeys(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s.server.Name, err)
		}
		if !needed {
			continue
		}
		err := r.entries.fill(ctx, s, func(stored int) {
			r.progress.say("%s: %d of %d entries stored", s.server.Name, stored, r.entries.count)
		})
		if err != nil {
			return fmt.Errorf("%s: %w", s.server.Name, err)
		}
	}
	return nil
}

// measure runs every workload on every server in every round. Another server begins
// in each, as what is measured first may find the machine in another state.
func (r *runner) measure(ctx context.Context) error {
	for round := range r.options.Rounds {
		for _, name := range r.options.Workloads {
			for turn := range r.sessions {
				server := (turn + round) % len(r.sessions)
				if interrupted(ctx) {
					return nil
				}
				if err := r.measureOne(ctx, round, name, server); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (r *runner) measureOne(ctx context.Context, round int, name string, server int) error {
	s := r.sessions[server]
	// Each begins with connections of its own, and with a token that has not expired.
	s.close()
	w, _ := workloadNamed(name)
	err := s.open(ctx)
	if err == nil && !w.dialsItself {
		err = s.connect(ctx)
	}
	if err != nil {
		return ignoreInterruption(ctx, err)
	}
	label := fmt.Sprintf("%s  %s", name, s.server.Name)
	if r.options.Rounds > 1 {
		label = fmt.Sprintf("round %d of %d  %s", round+1, r.options.Rounds, label)
	}
	r.progress.say("%s", label)
	o, err := w.run(ctx, &environment{
		options: r.options, session: s, entries: r.entries, round: round, progress: r.progress,
	})
	if err != nil {
		return ignoreInterruption(ctx, fmt.Errorf("%s on %s: %w", name, s.server.Name, err))
	}
	if !interrupted(ctx) || o.histogram.Count() > 0 {
		at := cell{name, server}
		r.outcomes[at] = append(r.outcomes[at], o)
	}
	return nil
}

// ignoreInterruption lets what was measured before be reported.
func ignoreInterruption(ctx context.Context, err error) error {
	if interrupted(ctx) {
		return nil
	}
	return err
}

// close deletes what was stored and closes the connections, after an interruption too.
func (r *runner) close(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	var errs []error
	for _, s := range r.sessions {
		s.close()
		r.progress.say("%s: clearing the keys of the bench", s.server.Name)
		if err := clearKeysWithin(ctx, s, clearTimeout); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w; the next bench does it, or delete the keys under [%q]", s.server.Name, err, KeyPrefix))
		}
		s.close()
	}
	return inOneLine(errs...)
}

// clearKeysWithin clears one server. One that is stopped takes no time from the others.
func clearKeysWithin(ctx context.Context, s *session, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return clearKeys(ctx, s)
}

// inOneLine joins errors as a user is to read them.
func inOneLine(errs ...error) (joined error) {
	for _, err := range errs {
		switch {
		case joined == nil:
			joined = err
		case err != nil:
			joined = fmt.Errorf("%w; %w", joined, err)
		}
	}
	return joined
}
