package databases_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// lateContext ends when it is waited for, but not before all else in the bubble has been done:
// who waits for it and for something else finds that both have happened.
type lateContext struct {
	context.Context //nolint:containedctx // it is a context

	ended chan struct{} // closed by Done
}

func (c lateContext) Done() <-chan struct{} {
	synctest.Wait()
	close(c.ended)
	return c.ended
}

func (c lateContext) Err() error {
	select {
	case <-c.ended:
		return context.Canceled
	default:
		return nil
	}
}

// rounds is how often chance may fall on either side.
const rounds = 64

// Who leaves at the moment at which the database is there keeps no loan.
func TestLeavesWhenItIsThere(t *testing.T) {
	t.Parallel()
	bubble(t, 1, func(t *testing.T, f fixture) {
		left := 0
		for range rounds {
			database, err := f.Lend(lateContext{t.Context(), make(chan struct{})}, numbered(1))
			switch {
			case err == nil:
				database.Release()
			case errors.Is(err, context.Canceled):
				left++
			default:
				t.Error(err)
			}
			if loans := f.Stats().Open[0].Loans; loans != 0 {
				t.Fatalf("%d loans are left", loans)
			}
			if err := f.Forget(t.Context(), numbered(1)); err != nil {
				t.Error(err)
			}
		}
		if left == 0 {
			t.Error("nobody left")
		}
	})
}

// Who leaves at the moment at which the database is closed is told of that.
func TestLeavesWhenItIsClosed(t *testing.T) {
	t.Parallel()
	bubble(t, 1, func(t *testing.T, f fixture) {
		failure := errors.New("the disk is full")
		f.shelf.closing = func(int) error { return failure }
		for range rounds {
			f.use(t, 1)
			if err := f.Forget(lateContext{t.Context(), make(chan struct{})}, numbered(1)); !errors.Is(err, failure) {
				t.Fatalf("got %v", err)
			}
		}
		if logged := f.log.lines(); len(logged) > 0 {
			t.Errorf("logged, too: %q", logged)
		}
	})
}
