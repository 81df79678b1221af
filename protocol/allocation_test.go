package protocol_test

import (
	"bytes"
	"errors"
	"runtime"
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
)

// A decoder allocates the slices of its result and an encoder the reply, however
// many parts there are.
//
//nolint:paralleltest // allocations are counted for the whole process
func TestAllocations(t *testing.T) {
	snapshotRead := func(ranges int) func() error {
		body := marshal(t, snapshotReadOf(ranges))
		return func() error { _, err := protocol.DecodeSnapshotRead(body); return err }
	}
	atomicWrite := func(checks, mutations int) func() error {
		body := marshal(t, atomicWriteOf(checks, mutations))
		return func() error { _, err := protocol.DecodeAtomicWrite(body); return err }
	}
	watch := func(keys int) func() error {
		body := marshal(t, watchOf(keys))
		return func() error { _, err := protocol.DecodeWatch(body); return err }
	}
	readOutput := func(entries int) func() error {
		output := snapshotReadOutputOf(entries)
		return func() error { _, err := output.Encode(); return err }
	}
	writeOutput := func(output protocol.AtomicWriteOutput) func() error {
		return func() error { _, err := output.Encode(); return err }
	}
	frame := func(keys int) func() error {
		output := watchOutputOf(keys)
		return func() error { _, err := output.EncodeFrame(); return err }
	}
	for name, c := range map[string]struct {
		convert func() error
		want    float64
	}{
		"snapshot read of 1 range":             {snapshotRead(1), 1},
		"snapshot read of 10 ranges":           {snapshotRead(10), 1},
		"atomic write of 1 mutation":           {atomicWrite(0, 1), 1},
		"atomic write of 1 check":              {atomicWrite(1, 0), 1},
		"atomic write of the most of both":     {atomicWrite(100, 1000), 2},
		"watch of 1 key, which is copied":      {watch(1), 1 + 1},
		"watch of 10 keys, which are copied":   {watch(10), 1 + 10},
		"snapshot read output of 1 entry":      {readOutput(1), 1},
		"snapshot read output of 500 entries":  {readOutput(500), 1},
		"atomic write output of a commit":      {writeOutput(protocol.AtomicWriteOutput{Status: protocol.AtomicWriteCommitted}), 1},
		"atomic write output of failed checks": {writeOutput(protocol.AtomicWriteOutput{Status: protocol.AtomicWriteCheckFailed, FailedChecks: []uint32{1, 300}}), 1},
		"atomic write output of no write":      {writeOutput(protocol.AtomicWriteOutput{Status: protocol.AtomicWriteDisabled}), 1},
		"watch output of 10 keys":              {frame(10), 1},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.convert(); err != nil {
				t.Fatal(err)
			}
			if got := testing.AllocsPerRun(100, func() { _ = c.convert() }); got != c.want {
				t.Errorf("%v allocations, want %v", got, c.want)
			}
		})
	}
}

// A megabyte of empty parts must not become sixty in memory before it is refused.
//
//nolint:paralleltest // allocations are counted for the whole process
func TestTooManyPartsAreRefusedBeforeTheyAreDecoded(t *testing.T) {
	parts := func(field byte) []byte { return bytes.Repeat([]byte{field<<3 | 2, 0}, 1<<19) }
	read, checks, mutations, enqueues := parts(1), parts(1), parts(2), parts(3)
	for name, c := range map[string]struct {
		decode func() error
		want   error
	}{
		"ranges":    {func() error { _, err := protocol.DecodeSnapshotRead(read); return err }, protocol.ErrTooManyReadRanges},
		"checks":    {func() error { _, err := protocol.DecodeAtomicWrite(checks); return err }, protocol.ErrTooManyChecks},
		"mutations": {func() error { _, err := protocol.DecodeAtomicWrite(mutations); return err }, protocol.ErrTooManyMutations},
		"enqueues":  {func() error { _, err := protocol.DecodeAtomicWrite(enqueues); return err }, protocol.ErrTooManyMutations},
		"keys":      {func() error { _, err := protocol.DecodeWatch(read); return err }, protocol.ErrTooManyWatchedKeys},
	} {
		if err := c.decode(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_ = c.decode()
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 64<<10 {
			t.Errorf("%s: %d bytes allocated, which is not for the error alone", name, got)
		}
	}
}
