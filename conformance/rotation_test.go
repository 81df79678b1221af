package conformance

import (
	"strings"
	"testing"
)

// The signing keys change while programs read, write and watch. Deno gets a new token by
// itself when those of the old keys are dropped, and opens the watches again that end then.
// @deno/kv does not, and fails until its program opens the database again.
func TestKeysRotateUnderLoad(t *testing.T) {
	t.Parallel()
	overRuntimes(t, func(t *testing.T, runtime clientRuntime) {
		server := startFolder(t)
		server.createDatabase(t, "orders")
		token := server.createToken(t, "orders", "write")
		p := startProgram(t, runtime)
		kv := p.open(t, server.url, token.secret)
		workers := []*running{kv.work(t, "a"), p.open(t, server.url, token.secret).work(t, "b")}
		watch := kv.watch(t, "watched")
		awaitAll := func() {
			t.Helper()
			for _, worker := range workers {
				worker.awaitRounds(t, 5)
			}
		}
		const rotations = 3
		for range rotations {
			operate(t, server.folder, "keys", "rotate")
			awaitAll()
		}
		if listed, _ := operate(t, server.folder, "keys", "list"); strings.Count(listed, "\n") != 1+1+rotations {
			t.Errorf("after %d rotations the keys are\n%s", rotations, listed)
		}
		for range 2 {
			operate(t, server.folder, "keys", "rotate", "--drop-old")
			if runtime == runtimeNode {
				for _, worker := range workers {
					_, text := worker.awaitEnd(t)
					wantText(t, "the worker", programError(text), "401", "invalid or expired data path token: open the database again")
				}
				kv = p.open(t, server.url, token.secret)
				workers = []*running{kv.work(t, "a"), kv.work(t, "b")}
				watch = kv.watch(t, "watched")
			}
			awaitAll()
		}
		if listed, _ := operate(t, server.folder, "keys", "list"); strings.Count(listed, "\n") != 1+1 {
			t.Errorf("after the old keys were dropped the keys are\n%s", listed)
		}
		kv.mustSet(t, "watched", "after")
		watch.awaitValue(t, "after")
		for _, worker := range workers {
			worker.rest(t)
		}
		for _, err := range p.unhandledErrors() {
			// A watch of @deno/kv tells nobody else that it cannot be opened again.
			if runtime != runtimeNode || !strings.Contains(err.text, "invalid or expired data path token") {
				t.Errorf("unhandled exception: %v", err)
			}
		}
	})
}
