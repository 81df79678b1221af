package sqlitebackend

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
)

// A database that is hardly used holds hardly anything.
func TestOpenTakesNoMoreThanItNeeds(t *testing.T) {
	t.Parallel()
	b, err := Open(Options{Path: filepath.Join(t.TempDir(), "kv.sqlite")})
	if err != nil {
		t.Fatal(err)
	}
	mutation := protocol.Mutation{Type: protocol.MutationSet, Key: []byte("a"), Value: protocol.U64Value(1)}
	_, writeErr := b.AtomicWrite(t.Context(), protocol.AtomicWrite{Mutations: []protocol.Mutation{mutation}})
	_, readErr := b.Stats(t.Context())
	if err := errors.Join(writeErr, readErr); err != nil {
		t.Error(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	// The expiry loop may have read at the same time.
	if n := b.reads.opened; n > 2 {
		t.Errorf("there were %d connections for reads", n)
	}
	if b.writer.checkpoint.conn != nil {
		t.Error("there was a connection for checkpoints")
	}
}
