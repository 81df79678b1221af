package databases_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/databases"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/protocol"
)

func TestLend(t *testing.T) {
	t.Parallel()
	bubble(t, 2, func(t *testing.T, f fixture) {
		if f.IsOpen(numbered(1)) {
			t.Error("a database is open that nobody asked for")
		}
		first, second := f.lend(t, 1), f.lend(t, 1)
		if !f.IsOpen(numbered(1)) {
			t.Error("a database on loan is not open")
		}
		first.Release()
		if err := read(t.Context(), second); err != nil {
			t.Error(err)
		}
		if _, err := second.AtomicWrite(t.Context(), protocol.AtomicWrite{}); err != nil {
			t.Error(err)
		}
		if _, err := second.Watch(protocol.Watch{}, func() {}); err != nil {
			t.Error(err)
		}
		second.Release()
		f.use(t, 1)
		want(t, "opened", f.shelf.opened(), []int{1})
		if err := f.Check(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestCheckAsks(t *testing.T) {
	t.Parallel()
	failure := errors.New("the folder is gone")
	pool := databases.Open(databases.Options{
		Open:  newShelf().Open,
		Check: func(context.Context) error { return failure },
	})
	if err := pool.Check(t.Context()); !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
	if err := pool.Close(); err != nil {
		t.Error(err)
	}
}

func TestAskersShareOneOpening(t *testing.T) {
	t.Parallel()
	bubble(t, 2, func(t *testing.T, f fixture) {
		gate := make(chan struct{})
		f.shelf.opening = func(context.Context, int) error { <-gate; return nil }
		askers := []*asker{f.ask(t, 1), f.ask(t, 1), f.ask(t, 1)}
		if f.IsOpen(numbered(1)) {
			t.Error("it is open before it is opened")
		}
		// The first to ask goes away, and so does the last.
		for _, i := range []int{0, 2} {
			askers[i].cancel()
			if askers[i].waits() || !errors.Is(askers[i].err, context.Canceled) {
				t.Fatalf("asker %d still waits, or got %v", i, askers[i].err)
			}
		}
		close(gate)
		database := askers[1].take(t)
		if stats := f.Stats(); stats.Open[0].Loans != 1 {
			t.Errorf("%d loans, want 1", stats.Open[0].Loans)
		}
		database.Release()
		want(t, "opened", f.shelf.opened(), []int{1})
	})
}

func TestOpeningGoesOnWithoutAskers(t *testing.T) {
	t.Parallel()
	bubble(t, 1, func(t *testing.T, f fixture) {
		gate := make(chan struct{})
		f.shelf.opening = func(ctx context.Context, _ int) error {
			<-gate
			return ctx.Err()
		}
		a := f.ask(t, 1)
		a.cancel()
		if a.waits() {
			t.Fatal("the asker still waits")
		}
		other := f.ask(t, 2) // there is no room for it before the first is there
		close(gate)
		other.take(t).Release()
		want(t, "opened", f.shelf.opened(), []int{1, 2})
		want(t, "closed", f.shelf.closed(), []int{1})
	})
}

func TestLendWithEndedContextOpensNothing(t *testing.T) {
	t.Parallel()
	bubble(t, 1, func(t *testing.T, f fixture) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := f.Lend(ctx, numbered(1)); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		want(t, "opened", f.shelf.opened(), nil)
	})
}

func TestOpeningFails(t *testing.T) {
	t.Parallel()
	failure := errors.New("the file is damaged")
	for name, c := range map[string]struct {
		open func() error
		is   error
		text string
	}{
		"an error":            {func() error { return failure }, failure, "open database 00000000-0000-0000-0000-000000000001: the file is damaged"},
		"no such database":    {func() error { return protocol.ErrUnknownDatabase }, protocol.ErrUnknownDatabase, protocol.ErrUnknownDatabase.Error()},
		"a panic":             {func() error { panic("out of order") }, nil, "panic: out of order"},
		"a panic of an error": {func() error { panic(failure) }, nil, "panic: the file is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, 1, func(t *testing.T, f fixture) {
				gate := make(chan struct{})
				f.shelf.opening = func(context.Context, int) error { <-gate; return c.open() }
				askers := []*asker{f.ask(t, 1), f.ask(t, 1)}
				close(gate)
				for _, a := range askers {
					if a.waits() || a.database != nil || a.err == nil || !strings.Contains(a.err.Error(), c.text) {
						t.Fatalf("got %v, want %s", a.err, c.text)
					}
					if c.is != nil && !errors.Is(a.err, c.is) {
						t.Errorf("%v is no %v", a.err, c.is)
					}
				}
				want(t, "opened", f.shelf.opened(), []int{1})
				if f.IsOpen(numbered(1)) || f.OpenCount() != 0 {
					t.Errorf("it takes room: %+v", f.Stats())
				}
				f.shelf.opening = nil
				f.use(t, 1)
				want(t, "opened", f.shelf.opened(), []int{1, 1})
			})
		})
	}
}

func TestNoBackendAndNoError(t *testing.T) {
	t.Parallel()
	pool := databases.Open(databases.Options{Open: func(context.Context, uuid.UUID) (kvconnect.Backend, error) {
		return nil, nil //nolint:nilnil // the mistake that is to be found
	}})
	if database, err := pool.Lend(t.Context(), numbered(1)); err == nil {
		t.Errorf("got %v", database)
	}
	if err := pool.Close(); err != nil {
		t.Error(err)
	}
}

func TestFourAreOpenedAtOnce(t *testing.T) {
	t.Parallel()
	bubble(t, 10, func(t *testing.T, f fixture) {
		gate := make(chan struct{})
		f.shelf.opening = func(context.Context, int) error { <-gate; return nil }
		var askers []*asker
		for n := range 10 {
			askers = append(askers, f.ask(t, n))
		}
		if got := len(f.shelf.opened()); got != 4 {
			t.Errorf("%d are being opened, want 4", got)
		}
		if stats := f.Stats(); stats.Opening != 10 || f.OpenCount() != 10 {
			t.Errorf("got %+v", stats)
		}
		gate <- struct{}{}
		synctest.Wait()
		if got := len(f.shelf.opened()); got != 5 {
			t.Errorf("%d were begun to be opened, want 5", got)
		}
		close(gate)
		for _, a := range askers {
			a.take(t).Release()
		}
	})
}

func TestReleasedTooOften(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, f fixture){
		"open": func(*testing.T, fixture) {},
		"forgotten": func(t *testing.T, f fixture) {
			if err := f.Forget(t.Context(), numbered(1)); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, 1, func(t *testing.T, f fixture) {
				database := f.lend(t, 1)
				end(t, f)
				database.Release()
				func() {
					defer func() {
						if recover() == nil {
							t.Error("nobody was told")
						}
					}()
					database.Release()
				}()
				f.use(t, 1)
			})
		})
	}
}

//nolint:paralleltest // allocations are counted for the whole process
func TestLendTakesNoMemory(t *testing.T) {
	pool := databases.Open(databases.Options{Open: newShelf().Open})
	allocations := testing.AllocsPerRun(1000, func() {
		database, err := pool.Lend(t.Context(), numbered(1))
		if err != nil || !pool.IsOpen(numbered(1)) {
			t.Fatal(err)
		}
		database.Release()
	})
	if allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
	if err := pool.Close(); err != nil {
		t.Error(err)
	}
}
