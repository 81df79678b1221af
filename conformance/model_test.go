package conformance

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
)

// modelDatabase is the way to a model.
type modelDatabase struct{ model *model }

func (d modelDatabase) snapshotRead(_ context.Context, read protocol.SnapshotRead) (protocol.SnapshotReadOutput, error) {
	return d.model.snapshotRead(read), nil
}

func (d modelDatabase) atomicWrite(_ context.Context, write protocol.AtomicWrite) (protocol.AtomicWriteOutput, error) {
	return d.model.atomicWrite(write, d.model.version+1)
}

func (modelDatabase) watch(context.Context, [][]byte) (<-chan protocol.WatchOutput, error) {
	return nil, errors.New("a model cannot be watched")
}

// The model is held to the cases that Deno's own engine is held to, as far as they
// need neither watches nor real time.
func TestModel(t *testing.T) {
	t.Parallel()
	for _, c := range slices.Concat(readCases, writeCases, counterCases, sumCases) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if err := runCase(t, c, modelDatabase{newModel(NewClock())}); err != nil {
				t.Error(err)
			}
		})
	}
}
