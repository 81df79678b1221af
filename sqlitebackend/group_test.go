package sqlitebackend_test

import (
	"errors"
	"strings"
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
