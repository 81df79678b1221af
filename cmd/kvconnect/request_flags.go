package main

import (
	"errors"
	"time"

	"github.com/spf13/pflag"
)

const (
	defaultSlowRequest = time.Second
	// defaultMaxConcurrentRequests is far above what keeps the processors and the disk busy,
	// and what is read of so many requests fits into the memory of a small machine.
	defaultMaxConcurrentRequests = 4096
)

// requestFlags bound and watch the requests of a server.
type requestFlags struct {
	slow time.Duration
	max  int
}

func (r *requestFlags) addTo(f *pflag.FlagSet) {
	f.DurationVar(&r.slow, "slow-request", defaultSlowRequest, "how long a request may take before a warning is logged; 0 for no such warning")
	f.IntVar(&r.max, "max-concurrent-requests", defaultMaxConcurrentRequests,
		"the `number` of atomic writes, and of other requests, that may be served at once; those beyond get a 503 at once; 0 for no bound")
}

func (r *requestFlags) check() error {
	var errs []error
	if r.slow < 0 {
		errs = append(errs, errors.New("--slow-request: give a duration such as 1s, or 0 for no warning"))
	}
	if r.max < 0 {
		errs = append(errs, errors.New("--max-concurrent-requests: give a number from 1 on, or 0 for no bound"))
	}
	return errors.Join(errs...)
}
