package control_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/control"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	path, c := tempPath(t), new(clock)
	store := open(t, path, c)
	d := createDatabase(t, store, "orders")
	check := func(want error) {
		t.Helper()
		if err := store.Check(t.Context()); !errors.Is(err, want) {
			t.Errorf("error %v, want %v", err, want)
		}
	}
	check(nil)
	if err := os.Rename(path, path+".moved"); err != nil {
		t.Fatal(err)
	}
	check(control.ErrMoved)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	check(control.ErrMoved)
	// Nothing is written to a file that is not found again.
	_, err := store.CreateToken(t.Context(), control.NewToken{DatabaseID: d.ID, Scope: access.ScopeRead, Hash: hashOf("a")})
	if !errors.Is(err, control.ErrMoved) {
		t.Errorf("error %v, want ErrMoved", err)
	}
	if _, found := store.GrantByHash(hashOf("a")); found {
		t.Error("the token is known")
	}
	if err := os.Rename(path+".moved", path); err != nil {
		t.Fatal(err)
	}
	check(nil)
	createToken(t, store, d.ID, "a")
	closeStore(t, store)
	check(control.ErrClosed)
}

// The file is read, and not what SQLite remembers of it.
func TestCheckReads(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	store := open(t, path, new(clock))
	createDatabase(t, store, "orders")
	if err := os.WriteFile(path, []byte("overwritten"), 0o600); err != nil { // nobody else has it open
		t.Fatal(err)
	}
	if err := store.Check(t.Context()); err == nil {
		t.Error("a file that was overwritten can be read")
	}
}

// A Check does not succeed while another one waits for the disk.
func TestCheckUnderWay(t *testing.T) {
	t.Parallel()
	store := open(t, tempPath(t), new(clock))
	release := store.HoldCheck()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := store.Check(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
	release()
	if err := store.Check(t.Context()); err != nil {
		t.Error(err)
	}
}
