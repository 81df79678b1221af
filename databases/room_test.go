package databases_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
)

func TestLeastRecentlyUsedIsClosed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		use    func(t *testing.T, f fixture) // after 1, 2 and 3 in this order
		closed []int
	}{
		"the first":                            {func(*testing.T, fixture) {}, []int{1}},
		"the second, the first was used again": {func(t *testing.T, f fixture) { f.use(t, 1) }, []int{2}},
		"the second, somebody looked for the first": {func(_ *testing.T, f fixture) {
			if !f.IsOpen(numbered(1)) {
				t.Error("1 is not open")
			}
		}, []int{2}},
		"the second, the first is on loan": {func(t *testing.T, f fixture) { t.Cleanup(f.lend(t, 1).Release) }, []int{2}},
		"the only one that is not on loan": {func(t *testing.T, f fixture) {
			t.Cleanup(f.lend(t, 1).Release)
			t.Cleanup(f.lend(t, 2).Release)
		}, []int{3}},
		"one for each": {func(t *testing.T, f fixture) { f.use(t, 5) }, []int{1, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, 3, func(t *testing.T, f fixture) {
				for n := 1; n <= 3; n++ {
					f.use(t, n)
				}
				c.use(t, f)
				f.use(t, 4)
				want(t, "closed", f.shelf.closed(), c.closed)
				if f.OpenCount() != 3 {
					t.Errorf("%d are open", f.OpenCount())
				}
			})
		})
	}
}

// Nobody waits for a close but who needs its room.
func TestSlowCloseHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	bubble(t, 2, func(t *testing.T, f fixture) {
		gate := make(chan struct{})
		f.shelf.closing = func(int) error { <-gate; return nil }
		f.use(t, 1)
		f.use(t, 2)
		third, first := f.ask(t, 3), f.ask(t, 1)
		if !third.waits() || !first.waits() {
			t.Error("there is room that cannot be there")
		}
		stats := f.Stats()
		if len(stats.Open) != 0 || stats.Closing != 2 || stats.Waiting != 2 || f.OpenCount() != 2 {
			t.Errorf("got %+v", stats)
		}
		close(gate)
		third.take(t).Release()
		first.take(t).Release()
		want(t, "opened", f.shelf.opened()[:2], []int{1, 2})
	})
}

func TestNoMoreAreClosedThanWait(t *testing.T) {
	t.Parallel()
	bubble(t, 2, func(t *testing.T, f fixture) {
		gate := make(chan struct{})
		f.shelf.closing = func(int) error { <-gate; return nil }
		first, second := f.lend(t, 1), f.lend(t, 2)
		asker := f.ask(t, 3)
		first.Release()
		second.Release()
		if f.IsOpen(numbered(1)) || !f.IsOpen(numbered(2)) {
			t.Errorf("got %+v", f.Stats())
		}
		close(gate)
		asker.take(t).Release()
		want(t, "closed", f.shelf.closed(), []int{1})
	})
}

func TestOpenOneIsLentWhileOthersWait(t *testing.T) {
	t.Parallel()
	bubble(t, 1, func(t *testing.T, f fixture) {
		held := f.lend(t, 1)
		waiting := f.ask(t, 2)
		f.lend(t, 1).Release()
		if !waiting.waits() {
			t.Error("there is room that cannot be there")
		}
		held.Release()
		waiting.take(t).Release()
	})
}

func TestRoomIsGivenInOrder(t *testing.T) {
	t.Parallel()
	bubble(t, 1, func(t *testing.T, f fixture) {
		held := f.lend(t, 1)
		askers := make(map[int][]*asker)
		for _, n := range []int{2, 3, 4, 3, 5, 6} {
			askers[n] = append(askers[n], f.ask(t, n))
		}
		if f.Stats().Waiting != 5 {
			t.Errorf("%d wait", f.Stats().Waiting)
		}
		// One of two who wait for the same goes, and the only one who waits for another.
		for _, n := range []int{3, 5} {
			askers[n][0].cancel()
			if askers[n][0].waits() || !errors.Is(askers[n][0].err, context.Canceled) {
				t.Errorf("got %v", askers[n][0].err)
			}
			askers[n] = askers[n][1:]
		}
		for _, n := range []int{2, 3, 4, 6} {
			held.Release()
			for other, those := range askers {
				for _, a := range those {
					if other == n == a.waits() {
						t.Errorf("when it is the turn of %d, %d waits: %v", n, other, a.waits())
					}
				}
			}
			held = askers[n][0].take(t)
			delete(askers, n)
		}
		held.Release()
		want(t, "opened", f.shelf.opened(), []int{1, 2, 3, 4, 6})
	})
}

// What was released stays open if those who waited for its room have gone.
func TestNobodyWaitsAnyMore(t *testing.T) {
	t.Parallel()
	bubble(t, 1, func(t *testing.T, f fixture) {
		held := f.lend(t, 1)
		f.ask(t, 2).cancel()
		f.clock.move(time.Second)
		held.Release()
		f.use(t, 1)
		want(t, "closed", f.shelf.closed(), nil)
	})
}

func TestNoRoomInTime(t *testing.T) {
	t.Parallel()
	bubble(t, 2, func(t *testing.T, f fixture) {
		f.lend(t, 1)
		f.lend(t, 2)
		refuse := func(lines int, contains string) {
			t.Helper()
			a := f.ask(t, 3)
			f.clock.move(waitTimeout - time.Millisecond)
			if !a.waits() {
				t.Fatalf("refused too early: %v", a.err)
			}
			f.clock.move(time.Millisecond)
			if a.waits() || !errors.Is(a.err, protocol.ErrUnavailable) || !strings.Contains(a.err.Error(), "--max-open-databases") {
				t.Fatalf("got %v", a.err)
			}
			logged := f.log.lines()
			if len(logged) != lines || lines > 0 && (!strings.Contains(logged[0], "level=WARN") || !strings.Contains(logged[0], contains)) {
				t.Errorf("logged %q", logged)
			}
		}
		refuse(1, "max_open=2 refused=1")
		refuse(0, "")
		refuse(0, "")
		f.clock.move(time.Minute)
		refuse(1, "refused=3")
		if stats := f.Stats(); stats.Waiting != 0 {
			t.Errorf("got %+v", stats)
		}
	})
}

// Each waits for as long as is allowed, although they wait for the same.
func TestEachWaitsForTheWaitTimeout(t *testing.T) {
	t.Parallel()
	bubble(t, 1, func(t *testing.T, f fixture) {
		held := f.lend(t, 1)
		first := f.ask(t, 2)
		f.clock.move(waitTimeout - time.Second)
		second := f.ask(t, 2)
		f.clock.move(time.Second)
		if first.waits() || !errors.Is(first.err, protocol.ErrUnavailable) {
			t.Errorf("the first got %v", first.err)
		}
		if !second.waits() {
			t.Fatalf("the second got %v", second.err)
		}
		held.Release()
		second.take(t).Release()
	})
}

// Once there is room, an opening may take its time.
func TestSlowOpeningIsNotRefused(t *testing.T) {
	t.Parallel()
	bubble(t, 1, func(t *testing.T, f fixture) {
		held := f.lend(t, 1)
		a := f.ask(t, 2)
		gate := make(chan struct{})
		f.shelf.opening = func(context.Context, int) error { <-gate; return nil }
		held.Release()
		f.clock.move(2 * waitTimeout)
		if !a.waits() {
			t.Fatalf("got %v", a.err)
		}
		close(gate)
		a.take(t).Release()
	})
}

func TestRoomOfFailedOpening(t *testing.T) {
	t.Parallel()
	bubble(t, 1, func(t *testing.T, f fixture) {
		gate := make(chan struct{})
		f.shelf.opening = func(_ context.Context, n int) error {
			if n == 1 {
				<-gate
				return protocol.ErrDamaged
			}
			return nil
		}
		failing, waiting := f.ask(t, 1), f.ask(t, 2)
		close(gate)
		if failing.waits() || !errors.Is(failing.err, protocol.ErrDamaged) {
			t.Errorf("got %v", failing.err)
		}
		waiting.take(t).Release()
	})
}
