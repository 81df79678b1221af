package databases_test

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/databases"
	"github.com/kvconnect/kvconnect/protocol"
)

var (
	stressLoans = flag.Int("stress.loans", 4000, "loans that each borrower of TestStress takes")
	stressSeed  = flag.Uint64("stress.seed", 1, "seed of the choices that the borrowers of TestStress make")
)

var errNow = errors.New("fails now and then")

// Many borrow few databases from a pool with yet less room, while some are forgotten, some
// cannot be opened and all become idle within no time. The shelf sees to it that no database
// is open twice and that there are never too many; here it is seen to that nobody has one that
// is closed.
func TestStress(t *testing.T) {
	t.Parallel()
	const (
		borrowers, ids, maxOpen = 16, 8, 3
		idleTimeout             = 100 * time.Microsecond
	)
	s := newShelf()
	var opens atomic.Int64
	s.opening = func(context.Context, int) error {
		switch n := opens.Add(1); {
		case n%31 == 0:
			return errNow
		case n%37 == 0:
			panic(errNow)
		}
		return nil
	}
	pool := databases.Open(databases.Options{
		Open: s.Open, MaxOpen: maxOpen, IdleTimeout: idleTimeout, WaitTimeout: 20 * time.Millisecond,
	})
	var forgotten, closed [ids]atomic.Int64 // how often Forget began, and returned
	var uses, refusals, failures atomic.Int64
	borrow := func(random *rand.Rand) {
		n := random.IntN(ids)
		ended := closed[n].Load()
		before := forgotten[n].Load()
		// A Forget that began before may end a loan that comes after.
		mayEnd := func() bool { return before != ended || forgotten[n].Load() != before }
		ctx := t.Context()
		if random.IntN(20) == 0 {
			short, cancel := context.WithTimeout(ctx, time.Duration(random.IntN(200))*time.Microsecond)
			defer cancel()
			ctx = short
		}
		database, err := pool.Lend(ctx, numbered(n))
		switch {
		case err == nil:
		case errors.Is(err, protocol.ErrUnavailable):
			refusals.Add(1)
			return
		default:
			failures.Add(1)
			return
		}
		defer database.Release()
		for range 1 + random.IntN(3) {
			err := read(t.Context(), database)
			if err != nil && (!errors.Is(err, protocol.ErrClosed) || !mayEnd()) {
				t.Errorf("a read of %d gave %v", n, err)
			}
			uses.Add(1)
		}
	}
	var wait sync.WaitGroup
	for borrower := range borrowers {
		wait.Go(func() {
			random := rand.New(rand.NewPCG(*stressSeed, uint64(borrower)))
			for range *stressLoans {
				borrow(random)
				if random.IntN(200) == 0 {
					n := random.IntN(ids)
					forgotten[n].Add(1)
					if err := pool.Forget(t.Context(), numbered(n)); err != nil {
						t.Error(err)
					}
					closed[n].Add(1)
				}
				if open := pool.OpenCount(); open > maxOpen {
					t.Errorf("%d are open", open)
				}
			}
		})
	}
	wait.Wait()
	for _, open := range pool.Stats().Open {
		if open.Loans != 0 {
			t.Errorf("%d loans of %v are left", open.Loans, open.DatabaseID)
		}
	}
	if err := pool.Close(); err != nil {
		t.Error(err)
	}
	s.verify(t, maxOpen)
	closes := len(s.closed())
	t.Logf("%d uses, %d refusals, %d failures, %d openings, %d closings (-stress.seed=%d)",
		uses.Load(), refusals.Load(), failures.Load(), opens.Load(), closes, *stressSeed)
	if uses.Load() == 0 || closes == 0 {
		t.Error("nothing was put to the test")
	}
}

// The pool is closed while it is as busy as can be.
func TestStressClose(t *testing.T) {
	t.Parallel()
	const borrowers, ids, maxOpen, rounds = 8, 4, 2, 50
	for range rounds {
		s := newShelf()
		pool := databases.Open(databases.Options{
			Open: s.Open, MaxOpen: maxOpen, IdleTimeout: time.Microsecond, WaitTimeout: time.Minute,
		})
		var wait sync.WaitGroup
		var lent atomic.Int64
		enough := make(chan struct{})
		for borrower := range borrowers {
			wait.Go(func() {
				for n := borrower; ; n++ {
					database, err := pool.Lend(t.Context(), numbered(n%ids))
					if err != nil {
						if !errors.Is(err, protocol.ErrClosed) {
							t.Errorf("a loan gave %v", err)
						}
						return
					}
					if lent.Add(1) == 100 {
						close(enough)
					}
					if err := read(t.Context(), database); err != nil && !errors.Is(err, protocol.ErrClosed) {
						t.Errorf("a read gave %v", err)
					}
					database.Release()
				}
			})
		}
		<-enough
		for range 2 {
			wait.Go(func() {
				if err := pool.Close(); err != nil {
					t.Error(err)
				}
				if open := pool.OpenCount(); open > 0 {
					t.Errorf("%d are open after the close", open)
				}
			})
		}
		wait.Wait()
		s.verify(t, maxOpen)
	}
}
