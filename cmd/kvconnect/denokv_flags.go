package main

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"
)

const (
	flagSyncFromS3   = "sync-from-s3"
	flagS3Bucket     = "s3-bucket"
	flagS3Prefix     = "s3-prefix"
	flagS3Endpoint   = "s3-endpoint"
	flagNumWorkers   = "num-workers"
	flagBatchTimeout = "atomic-write-batch-timeout-ms"
)

// noReplica is what to do in place of what denokv does with S3.
const noReplica = "kvconnect does not follow a database of Deno Deploy: leave it out, and for backups use those of SQLite, see \"Back up\" in docs/operations.md"

// denokvFlags are those of denokv's serve that this program has no use for, hidden from help.
// Without them a command line of denokv would fail with no more than that a flag is unknown.
type denokvFlags struct {
	flags        *pflag.FlagSet
	syncFromS3   bool
	s3           [3]string
	numWorkers   uint
	batchTimeout uint64
}

func (d *denokvFlags) addTo(f *pflag.FlagSet) {
	d.flags = f
	f.BoolVar(&d.syncFromS3, flagSyncFromS3, false, "of denokv, and refused")
	for i, name := range []string{flagS3Bucket, flagS3Prefix, flagS3Endpoint} {
		f.StringVar(&d.s3[i], name, "", "of denokv, and refused")
	}
	f.UintVar(&d.numWorkers, flagNumWorkers, 1, "of denokv, and without effect")
	f.Uint64Var(&d.batchTimeout, flagBatchTimeout, 0, "of denokv, and without effect")
	for _, name := range []string{flagSyncFromS3, flagS3Bucket, flagS3Prefix, flagS3Endpoint, flagNumWorkers, flagBatchTimeout} {
		_ = f.MarkHidden(name) // it is there
	}
}

// check fails for flags whose effect somebody may count on.
func (d *denokvFlags) check() error {
	var errs []error
	for _, name := range []string{flagSyncFromS3, flagS3Bucket, flagS3Prefix, flagS3Endpoint} {
		if d.flags.Changed(name) {
			errs = append(errs, fmt.Errorf("--%s: %s", name, noReplica))
		}
	}
	return errors.Join(errs...)
}

// warnings tell of what has no effect here. lookup gives the value of a variable.
func (d *denokvFlags) warnings(lookup func(string) string) []string {
	const (
		tuned = " has no effect: kvconnect uses all processors, and writes that come at the same time share a commit by themselves"
		s3    = " has no effect: " + noReplica
	)
	var found []string
	for _, name := range []string{flagNumWorkers, flagBatchTimeout} {
		if d.flags.Changed(name) {
			found = append(found, "--"+name+tuned)
		}
	}
	for _, v := range []struct{ name, effect string }{
		{"DENO_KV_NUM_WORKERS", tuned},
		{"DENO_KV_ATOMIC_WRITE_BATCH_TIMEOUT_MS", tuned},
		{"DENO_KV_S3_BUCKET", s3},
		{"DENO_KV_S3_PREFIX", s3},
		{"DENO_KV_S3_ENDPOINT", s3},
		{"RUST_LOG", " has no effect: choose what is logged with --log-level"},
	} {
		if lookup(v.name) != "" {
			found = append(found, v.name+v.effect)
		}
	}
	return found
}
