package access_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/protocol"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestGrantErr(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		expiresAt time.Time
		revoked   bool
		want      error
	}{
		"for ever":                {time.Time{}, false, nil},
		"for long":                {now.Add(time.Hour), false, nil},
		"for a moment":            {now.Add(1), false, nil},
		"expired at this moment":  {now, false, protocol.ErrTokenExpired},
		"expired long ago":        {now.Add(-time.Hour), false, protocol.ErrTokenExpired},
		"revoked":                 {time.Time{}, true, protocol.ErrTokenRevoked},
		"revoked before its time": {now.Add(time.Hour), true, protocol.ErrTokenRevoked},
		"revoked and expired":     {now.Add(-time.Hour), true, protocol.ErrTokenRevoked},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			grant := &access.Grant{ExpiresAt: c.expiresAt}
			if c.revoked {
				grant.Revoke()
			}
			if err := grant.Err(now); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

func TestOnRevoke(t *testing.T) {
	t.Parallel()
	var grant access.Grant
	var kept, stopped, late int
	grant.OnRevoke(func() { kept++ })
	grant.OnRevoke(func() {
		kept++
		if !errors.Is(grant.Err(time.Now()), protocol.ErrTokenRevoked) {
			t.Error("it is told of before it is so")
		}
	})
	stop := grant.OnRevoke(func() { stopped++ })
	stop()
	stop() // a second time does no harm
	if kept != 0 {
		t.Error("it is told of too early")
	}
	grant.Revoke()
	grant.Revoke()
	stopLate := grant.OnRevoke(func() { late++ })
	if kept != 2 || stopped != 0 || late != 1 {
		t.Errorf("told %d, %d, %d times; want 2, 0, 1", kept, stopped, late)
	}
	stopLate()
	stop()
}

// Whoever was told to stop is not told of the end, and all others are, exactly once,
// whatever comes first.
func TestOnRevokeWhileItIsRevoked(t *testing.T) {
	t.Parallel()
	for range 300 {
		var grant access.Grant
		begin := make(chan struct{})
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				<-begin
				grant.Revoke()
			})
		}
		const n = 4
		var staying, stopping [n]atomic.Int64
		for i := range n {
			all.Go(func() {
				<-begin
				grant.OnRevoke(func() { staying[i].Add(1) })
			})
			all.Go(func() {
				<-begin
				stop := grant.OnRevoke(func() { stopping[i].Add(1) })
				stop()
				told := stopping[i].Load()
				grant.Revoke() // at the latest
				if got := stopping[i].Load(); got != told || got > 1 {
					t.Errorf("told %d times, %d before the stop", got, told)
				}
			})
		}
		close(begin)
		all.Wait()
		for i := range n {
			if got := staying[i].Load(); got != 1 {
				t.Fatalf("told %d times, want 1", got)
			}
		}
	}
}

func TestLastUsed(t *testing.T) {
	t.Parallel()
	var grant access.Grant
	if got := grant.LastUsed(); !got.IsZero() {
		t.Errorf("never used, but at %v", got)
	}
	first := time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC)
	for _, step := range []struct {
		after, want time.Duration
	}{
		{0, 0},
		{999 * time.Millisecond, 0}, // not worth the write
		{time.Second, time.Second},
		{500 * time.Millisecond, time.Second}, // the clock was set back
		{time.Hour, time.Hour},
	} {
		grant.Use(first.Add(step.after))
		if got, want := grant.LastUsed(), first.Add(step.want); !got.Equal(want) {
			t.Errorf("used after %v: last at %v, want %v", step.after, got, want)
		}
	}
}

func TestUseByMany(t *testing.T) {
	t.Parallel()
	var grant access.Grant
	last := time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 1000 {
				grant.Use(last)
			}
		})
	}
	all.Wait()
	if got := grant.LastUsed(); !got.Equal(last) {
		t.Errorf("last used at %v, want %v", got, last)
	}
}
