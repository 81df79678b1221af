package sqlitebackend_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// A write that SQLite refuses in the middle leaves nothing, and its neighbours in the
// group are made all the same.
func TestNeighboursOfARefusedWrite(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"abort", "fail", "rollback"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			path := tempPath(t)
			backend := open(t, sqlitebackend.Options{Path: path})
			withSQL(t, path, "create trigger refuse before insert on kv when new.k = cast('refused' as blob) begin select raise("+way+", 'refused by the test'); end")
			refused := protocol.AtomicWrite{Mutations: []protocol.Mutation{set("part", "1"), set("refused", "1"), set("rest", "1")}}
			outputs, errs := writeAsGroup(t, backend, []protocol.AtomicWrite{
				{Mutations: []protocol.Mutation{set("before", "1"), sum("counter"), sum("counter")}},
				refused,
				{Mutations: []protocol.Mutation{set("after", "1"), sum("counter")}},
			})
			if errs[1] == nil || !strings.Contains(errs[1].Error(), "refused by the test") {
				t.Errorf("the refused write: %v", errs[1])
			}
			if err := errors.Join(errs[0], errs[2]); err != nil {
				t.Errorf("a neighbour failed: %v", err)
			}
			for _, key := range []string{"part", "refused", "rest"} {
				wantAbsent(t, backend, key)
			}
			wantValue(t, backend, "before", "1")
			wantValue(t, backend, "after", "1")
			wantValue(t, backend, "counter", string(protocol.U64Value(3).Data))
			if string(outputs[0].Versionstamp[:]) >= string(outputs[2].Versionstamp[:]) {
				t.Errorf("the versionstamps are %s and %s", outputs[0].Versionstamp, outputs[2].Versionstamp)
			}
		})
	}
}

// SQLite may give up the whole transaction at a statement that reads. What the others of
// the group did before is then done again, and nothing of what came after is split off.
func TestNeighboursOfALostTransaction(t *testing.T) {
	t.Parallel()
	backend := open(t, sqlitebackend.Options{Path: tempPath(t)})
	release := backend.HoldWriter()
	errs := make([]error, 3)
	var wait sync.WaitGroup
	for i, write := range []func() error{
		func() error { return tryCommit(t, backend, sum("counter"), set("before", "1")) },
		func() error { return backend.LoseTransaction(t.Context()) },
		func() error { return tryCommit(t, backend, sum("counter"), set("after", "1")) },
	} {
		wait.Go(func() { errs[i] = write() })
		awaitQueued(t, backend, i+1)
	}
	release()
	wait.Wait()
	if errs[0] != nil || errs[1] == nil || errs[2] != nil {
		t.Errorf("the errors are %v", errs)
	}
	wantValue(t, backend, "before", "1")
	wantValue(t, backend, "after", "1")
	wantValue(t, backend, "counter", string(protocol.U64Value(2).Data))
}

func tryCommit(t *testing.T, b *sqlitebackend.Backend, mutations ...protocol.Mutation) error {
	t.Helper()
	_, err := b.AtomicWrite(t.Context(), protocol.AtomicWrite{Mutations: mutations})
	return err
}
