package sqlitebackend_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// If a group cannot be committed, none of its writes is acknowledged,
// and none is there.
func TestGroupThatIsNotCommitted(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]string{
		"at its end":       "create trigger refuse before update on data_version begin select raise(fail, 'refused by the test'); end",
		"at its end, lost": "create trigger refuse before update on data_version begin select raise(rollback, 'refused by the test'); end",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := tempPath(t)
			backend := open(t, sqlitebackend.Options{Path: path})
			commit(t, backend, set("old", "1"))
			before := readAll(t, backend)
			watcher := watch(t, backend, "a")
			awaitState(t, watcher, false)
			withSQL(t, path, refuse)
			outputs, errs := writeAsGroup(t, backend, []protocol.AtomicWrite{
				{Mutations: []protocol.Mutation{set("a", "1")}},
				{Mutations: []protocol.Mutation{sum("b"), sum("b")}},
				{Checks: []protocol.Check{{Key: []byte("old")}}, Mutations: []protocol.Mutation{set("c", "1")}},
				{Mutations: []protocol.Mutation{set("d", "1")}},
			})
			for i, err := range errs {
				if !errors.Is(err, protocol.ErrUnavailable) {
					t.Errorf("write %d: error %v", i, err)
				}
				if diff := cmp.Diff(protocol.AtomicWriteOutput{}, outputs[i]); diff != "" {
					t.Errorf("write %d (-want +got):\n%s", i, diff)
				}
			}
			if diff := cmp.Diff(before, readAll(t, backend)); diff != "" {
				t.Errorf("database (-want +got):\n%s", diff)
			}
			select {
			case <-watcher.changed:
				t.Error("a watch was told")
			default:
			}
		})
	}
}
