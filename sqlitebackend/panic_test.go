package sqlitebackend_test

import (
	"sync"
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// A task that panics does so on the goroutine that it came from, as net/http can bear,
// and those after it still get their turn.
func TestPanicLeavesTheTurn(t *testing.T) {
	t.Parallel()
	for name, leads := range map[string]bool{"alone": true, "in a group": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			backend := open(t, sqlitebackend.Options{Path: tempPath(t)})
			release := func() {}
			if !leads {
				release = backend.HoldWriter()
			}
			var panicked any
			var neighbour error
			var wait sync.WaitGroup
			wait.Go(func() {
				defer func() { panicked = recover() }()
				backend.PanicInWrite(t.Context(), set("half", "1"))
			})
			if !leads {
				awaitQueued(t, backend, 1)
				wait.Go(func() {
					_, neighbour = backend.AtomicWrite(t.Context(), protocol.AtomicWrite{Mutations: []protocol.Mutation{set("neighbour", "1")}})
				})
				awaitQueued(t, backend, 2)
			}
			release()
			wait.Wait()
			if panicked == nil {
				t.Error("nobody was told")
			}
			if neighbour != nil {
				t.Errorf("the neighbour: %v", neighbour)
			}
			commit(t, backend, set("after", "1"))
			wantAbsent(t, backend, "half")
			if !leads {
				wantValue(t, backend, "neighbour", "1")
			}
			if err := backend.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
