package databases_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/kvconnect/kvconnect/protocol"
)

func TestForget(t *testing.T) {
	t.Parallel()
	bubble(t, 2, func(t *testing.T, f fixture) {
		if err := f.Forget(t.Context(), numbered(1)); err != nil {
			t.Errorf("one that is not open: %v", err)
		}
		f.use(t, 2)
		database := f.lend(t, 1)
		watcher, err := database.Watch(protocol.Watch{}, func() {})
		if err != nil {
			t.Fatal(err)
		}
		f.shelf.opening = func(context.Context, int) error { return protocol.ErrUnknownDatabase }
		if err := f.Forget(t.Context(), numbered(1)); err != nil {
			t.Error(err)
		}
		want(t, "closed", f.shelf.closed(), []int{1})
		if err := read(t.Context(), database); !errors.Is(err, protocol.ErrClosed) {
			t.Errorf("a read gave %v", err)
		}
		if _, err := watcher.State(t.Context()); !errors.Is(err, protocol.ErrClosed) {
			t.Errorf("a watch gave %v", err)
		}
		for range 2 {
			if _, err := f.Lend(t.Context(), numbered(1)); !errors.Is(err, protocol.ErrUnknownDatabase) {
				t.Errorf("a loan gave %v", err)
			}
		}
		watcher.Close()
		database.Release()
		if f.OpenCount() != 1 || f.IsOpen(numbered(1)) || !f.IsOpen(numbered(2)) {
			t.Errorf("got %+v", f.Stats())
		}
	})
}

// What comes while the database is being closed waits, and is never given a second backend.
func TestLendWhileForgetWaits(t *testing.T) {
	t.Parallel()
	bubble(t, 2, func(t *testing.T, f fixture) {
		gate := make(chan struct{})
		f.shelf.closing = func(int) error { <-gate; return nil }
		database := f.lend(t, 1)
		forgotten := make(chan error, 2)
		for range 2 {
			go func() { forgotten <- f.Forget(t.Context(), numbered(1)) }()
		}
		synctest.Wait()
		asker := f.ask(t, 1)
		if !asker.waits() || len(forgotten) > 0 || f.IsOpen(numbered(1)) {
			t.Error("it was not waited for the close")
		}
		want(t, "opened", f.shelf.opened(), []int{1})
		close(gate)
		asker.take(t).Release()
		for range 2 {
			if err := <-forgotten; err != nil {
				t.Error(err)
			}
		}
		database.Release()
		want(t, "opened", f.shelf.opened(), []int{1, 1})
	})
}

// The opening may have begun before the database was deleted: what it gives is closed, and
// those who wait for it are told what there is now.
func TestForgetDuringOpening(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		first  func(ctx context.Context) error
		closed []int
	}{
		"it succeeds":                 {func(context.Context) error { return nil }, []int{1}},
		"it sees that it is in vain":  {func(ctx context.Context) error { return ctx.Err() }, nil},
		"it fails for another reason": {func(context.Context) error { return protocol.ErrDamaged }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, 1, func(t *testing.T, f fixture) {
				gate := make(chan struct{})
				f.shelf.opening = func(ctx context.Context, n int) error {
					if n == 1 && len(f.shelf.opened()) == 1 {
						<-gate
						return c.first(ctx)
					}
					return protocol.ErrUnknownDatabase
				}
				asker := f.ask(t, 1)
				forgotten := make(chan error, 1)
				go func() { forgotten <- f.Forget(t.Context(), numbered(1)) }()
				synctest.Wait()
				if len(forgotten) > 0 || !asker.waits() {
					t.Error("it was not waited for the opening")
				}
				close(gate)
				if asker.waits() || !errors.Is(asker.err, protocol.ErrUnknownDatabase) {
					t.Errorf("the asker got %v", asker.err)
				}
				if err := <-forgotten; err != nil {
					t.Error(err)
				}
				want(t, "opened", f.shelf.opened(), []int{1, 1})
				want(t, "closed", f.shelf.closed(), c.closed)
				if f.OpenCount() != 0 {
					t.Errorf("got %+v", f.Stats())
				}
			})
		})
	}
}

// What waits for room is opened after the call, and so are no concern of it.
func TestForgetInLine(t *testing.T) {
	t.Parallel()
	bubble(t, 1, func(t *testing.T, f fixture) {
		held := f.lend(t, 1)
		asker := f.ask(t, 2)
		if err := f.Forget(t.Context(), numbered(2)); err != nil {
			t.Error(err)
		}
		held.Release()
		asker.take(t).Release()
	})
}

// A database on loan makes room too if it is forgotten.
func TestForgetMakesRoom(t *testing.T) {
	t.Parallel()
	bubble(t, 1, func(t *testing.T, f fixture) {
		held := f.lend(t, 1)
		asker := f.ask(t, 2)
		if err := f.Forget(t.Context(), numbered(1)); err != nil {
			t.Error(err)
		}
		asker.take(t).Release()
		held.Release()
		f.use(t, 2)
		want(t, "closed", f.shelf.closed(), []int{1})
	})
}

// The error of a close goes to who asked for it or, if they have gone, to the log.
func TestForgetFails(t *testing.T) {
	t.Parallel()
	for name, leaves := range map[string]bool{"somebody waits": false, "nobody waits": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, 1, func(t *testing.T, f fixture) {
				failure := errors.New("the disk is full")
				gate := make(chan struct{})
				f.shelf.closing = func(int) error { <-gate; return failure }
				f.use(t, 1)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				forgotten := make(chan error, 1)
				go func() { forgotten <- f.Forget(ctx, numbered(1)) }()
				synctest.Wait()
				reason := failure
				if leaves {
					cancel()
					synctest.Wait()
					reason = context.Canceled
				}
				close(gate)
				synctest.Wait()
				if err := <-forgotten; !errors.Is(err, reason) {
					t.Errorf("got %v, want %v", err, reason)
				}
				logged := slices.ContainsFunc(f.log.lines(), func(line string) bool { return strings.Contains(line, failure.Error()) })
				if logged != leaves {
					t.Errorf("logged: %v", logged)
				}
			})
		})
	}
}
