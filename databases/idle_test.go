package databases_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
)

func TestIdleIsClosed(t *testing.T) {
	t.Parallel()
	const step = time.Minute
	for name, c := range map[string]struct {
		before func(t *testing.T, f fixture) // something that is done a step after 1 was released
		after  time.Duration                 // counted from then
	}{
		"nobody uses it":          {func(*testing.T, fixture) {}, idleTimeout - step},
		"it was lent again":       {func(t *testing.T, f fixture) { f.lend(t, 1).Release() }, idleTimeout},
		"somebody looked for it":  {func(_ *testing.T, f fixture) { f.IsOpen(numbered(1)) }, idleTimeout},
		"others are used":         {func(t *testing.T, f fixture) { f.lend(t, 2).Release() }, idleTimeout - step},
		"others are on loan":      {func(t *testing.T, f fixture) { f.lend(t, 2) }, idleTimeout - step},
		"nobody finds the others": {func(t *testing.T, f fixture) { f.ask(t, 2).take(t).Release() }, idleTimeout - step},
		"it was on loan for longer than that": {func(t *testing.T, f fixture) {
			database := f.lend(t, 1)
			watcher, err := database.Watch(protocol.Watch{}, func() {})
			if err != nil {
				t.Error(err)
			}
			f.clock.move(3*idleTimeout + step)
			if _, err := watcher.State(t.Context()); err != nil {
				t.Errorf("the watch has ended: %v", err)
			}
			watcher.Close()
			database.Release()
		}, idleTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, 2, func(t *testing.T, f fixture) {
				f.clock.move(time.Hour) // nothing is open yet
				f.lend(t, 1).Release()
				f.clock.move(step)
				c.before(t, f)
				f.clock.move(c.after - time.Millisecond)
				want(t, "closed too early", f.shelf.closed(), nil)
				f.clock.move(time.Millisecond)
				want(t, "closed", f.shelf.closed(), []int{1})
				if f.IsOpen(numbered(1)) {
					t.Error("it is open")
				}
				f.use(t, 1)
				want(t, "opened again", f.shelf.opened()[len(f.shelf.opened())-1:], []int{1})
			})
		})
	}
}

func TestManyIdleAreClosed(t *testing.T) {
	t.Parallel()
	bubble(t, 100, func(t *testing.T, f fixture) {
		for n := range 100 {
			f.lend(t, n).Release()
		}
		f.clock.move(idleTimeout)
		if open := f.OpenCount(); open != 0 {
			t.Errorf("%d are open", open)
		}
	})
}

// Those who wait for a deleted database to be closed do not wait for the others.
func TestFourAreClosedAtOnce(t *testing.T) {
	t.Parallel()
	bubble(t, 11, func(t *testing.T, f fixture) {
		var begun atomic.Int64
		gate := make(chan struct{})
		f.shelf.closing = func(n int) error {
			if n != 10 {
				begun.Add(1)
				<-gate
			}
			return nil
		}
		for n := range 10 {
			f.lend(t, n).Release()
		}
		f.lend(t, 10)
		f.clock.move(idleTimeout)
		if n := begun.Load(); n != 4 {
			t.Errorf("%d are being closed, want 4", n)
		}
		if err := f.Forget(t.Context(), numbered(10)); err != nil {
			t.Error(err)
		}
		close(gate)
		synctest.Wait()
		if n := begun.Load(); n != 10 {
			t.Errorf("%d were closed, want 10", n)
		}
	})
}

// Without an open database there is nothing to wake for.
func TestNoTimerWithoutDatabases(t *testing.T) {
	t.Parallel()
	bubble(t, 2, func(t *testing.T, f fixture) {
		for range 3 {
			synctest.Wait()
			if n := f.clock.armed(); n != 0 {
				t.Errorf("%d timers", n)
			}
			f.use(t, 1)
			if n := f.clock.armed(); n != 1 {
				t.Errorf("%d timers, want 1", n)
			}
			f.clock.move(idleTimeout)
		}
		want(t, "closed", f.shelf.closed(), []int{1, 1, 1})
	})
}

func TestFailedCloseIsLogged(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func() error{
		"an error": func() error { return errors.New("the disk is full") },
		"a panic":  func() error { panic("the disk is full") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, 1, func(t *testing.T, f fixture) {
				f.shelf.closing = func(int) error { return fail() }
				f.use(t, 1)
				f.clock.move(idleTimeout)
				logged := f.log.lines()
				if len(logged) != 1 || !strings.Contains(logged[0], "database_id="+numbered(1).String()) || !strings.Contains(logged[0], "the disk is full") {
					t.Errorf("logged %q", logged)
				}
				f.shelf.closing = nil
				f.use(t, 2) // its room has not gone with it
			})
		})
	}
}
