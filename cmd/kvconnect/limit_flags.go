package main

import (
	"errors"

	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/admin"
	"github.com/spf13/pflag"
)

const (
	flagMaxRequests = "max-requests-per-second"
	flagMaxWatches  = "max-watches"
	flagMaxFileSize = "max-file-size"
)

// limitFlags are the quotas of a database or of a token.
type limitFlags struct {
	requestsPerSecond float64
	watches           int
	fileBytes         byteSize
}

// addTo gives the flags to a set. whose is what the quotas are for.
func (l *limitFlags) addTo(f *pflag.FlagSet, whose string, withFile bool) {
	f.Float64Var(&l.requestsPerSecond, flagMaxRequests, 0,
		"the `number` of calls a second for "+whose+", beyond which clients get a 429; 0 for no bound")
	f.IntVar(&l.watches, flagMaxWatches, 0, "the `number` of watches for "+whose+" that may be open at once; 0 for no bound")
	if withFile {
		f.Var(&l.fileBytes, flagMaxFileSize,
			"the `size` that the file of "+whose+" may have, such as 500MB or 2GiB, beyond which writes are refused; 0 for no bound")
	}
}

// check fails for each that makes no sense.
func (l *limitFlags) check() error {
	var errs []error
	if (access.Limits{RequestsPerSecond: l.requestsPerSecond}).Validate() != nil {
		errs = append(errs, errors.New("--"+flagMaxRequests+": give a number above 0, or 0 for no bound"))
	}
	if l.watches < 0 {
		errs = append(errs, errors.New("--"+flagMaxWatches+": give a number from 1 on, or 0 for no bound"))
	}
	return errors.Join(errs...) // a size cannot be negative
}

func (l *limitFlags) limits() admin.Limits {
	return admin.Limits{RequestsPerSecond: l.requestsPerSecond, Watches: l.watches, FileBytes: int64(l.fileBytes)}
}

// changes gives those that were set on the command line.
func (l *limitFlags) changes(f *pflag.FlagSet) (changes admin.ChangeLimits) {
	if f.Changed(flagMaxRequests) {
		changes.RequestsPerSecond = &l.requestsPerSecond
	}
	if f.Changed(flagMaxWatches) {
		changes.Watches = &l.watches
	}
	if f.Changed(flagMaxFileSize) {
		n := int64(l.fileBytes)
		changes.FileBytes = &n
	}
	return changes
}
