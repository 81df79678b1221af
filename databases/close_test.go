package databases_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/kvconnect/kvconnect/protocol"
)

func TestClose(t *testing.T) {
	t.Parallel()
	bubble(t, 3, func(t *testing.T, f fixture) {
		f.use(t, 1)
		database := f.lend(t, 2)
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if open := f.OpenCount(); open != 0 || f.IsOpen(numbered(1)) || f.IsOpen(numbered(2)) {
			t.Errorf("got %+v", f.Stats())
		}
		if err := read(t.Context(), database); !errors.Is(err, protocol.ErrClosed) {
			t.Errorf("a read gave %v", err)
		}
		database.Release()
		for _, n := range []int{2, 4} {
			if _, err := f.Lend(t.Context(), numbered(n)); !errors.Is(err, protocol.ErrClosed) {
				t.Errorf("a loan gave %v", err)
			}
		}
		if err := f.Forget(t.Context(), numbered(2)); err != nil {
			t.Error(err)
		}
		if err := f.Check(t.Context()); !errors.Is(err, protocol.ErrClosed) {
			t.Errorf("a check gave %v", err)
		}
	})
}

// All that waits is told, and all that is under way waited for.
func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	bubble(t, 3, func(t *testing.T, f fixture) {
		held, evicted := f.lend(t, 1), f.lend(t, 4)
		gate := make(chan struct{})
		f.shelf.closing = func(int) error { <-gate; return nil }
		f.shelf.opening = func(ctx context.Context, n int) error {
			<-ctx.Done()
			if n == 2 {
				return nil // it has not looked
			}
			return ctx.Err()
		}
		opening, waiting, another := f.ask(t, 2), f.ask(t, 3), f.ask(t, 3)
		evicting := f.ask(t, 5)
		evicted.Release()
		synctest.Wait()
		closed := make(chan error, 1)
		go func() { closed <- f.Close() }()
		synctest.Wait()
		for i, a := range []*asker{opening, waiting, another, evicting} {
			if a.waits() || !errors.Is(a.err, protocol.ErrClosed) {
				t.Errorf("asker %d got %v", i, a.err)
			}
		}
		if len(closed) > 0 {
			t.Error("it was not waited for the close")
		}
		close(gate)
		if err := <-closed; err != nil {
			t.Error(err)
		}
		held.Release()
	})
}

func TestCloseJoinsErrors(t *testing.T) {
	t.Parallel()
	bubble(t, 10, func(t *testing.T, f fixture) {
		failures := make([]error, 10)
		for n := range failures {
			failures[n] = fmt.Errorf("failure %d", n)
			f.lend(t, n)
		}
		f.shelf.closing = func(n int) error { return failures[n] }
		err := f.Close()
		for _, failure := range failures {
			if !errors.Is(err, failure) {
				t.Errorf("%v is missing in %v", failure, err)
			}
		}
		if again := f.Close(); !errors.Is(again, failures[0]) {
			t.Errorf("the second call gave %v", again)
		}
		if logged := f.log.lines(); len(logged) > 0 {
			t.Errorf("logged, too: %q", logged)
		}
	})
}

func TestStats(t *testing.T) {
	t.Parallel()
	bubble(t, 4, func(t *testing.T, f fixture) {
		began := f.clock.Now()
		f.use(t, 3)
		f.lend(t, 2)
		f.lend(t, 2)
		f.shelf.opening = func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }
		f.ask(t, 9)
		stats := f.Stats()
		if stats.MaxOpen != 4 || stats.Opening != 1 || stats.Closing != 0 || stats.Waiting != 0 || len(stats.Open) != 2 {
			t.Fatalf("got %+v", stats)
		}
		for i, c := range []struct{ n, loans int }{{2, 2}, {3, 0}} {
			if got := stats.Open[i]; got.DatabaseID != numbered(c.n) || got.Loans != c.loans {
				t.Errorf("got %+v, want %+v", got, c)
			}
		}
		if !stats.Open[1].LastUse.Equal(began) {
			t.Errorf("last used at %v, want %v", stats.Open[1].LastUse, began)
		}
		if f.OpenCount() != 3 {
			t.Errorf("%d are open, want 3", f.OpenCount())
		}
	})
}
