package access_test

import (
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/access"
)

var epoch = time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC)

// allowed counts the requests that a meter lets through at a moment, up to a thousand, and
// gives what it says to the first that it does not.
func allowed(m *access.Meter, now time.Time) (n int, retryAfter time.Duration) {
	for n < 1000 {
		if retryAfter = m.Request(now); retryAfter > 0 {
			break
		}
		n++
	}
	return n, retryAfter
}

func TestMeterBurst(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		perSecond  float64
		burst      int
		retryAfter time.Duration
	}{
		"no limit":           {0, 1000, 0},
		"one":                {1, 1, time.Second},
		"ten":                {10, 10, 100 * time.Millisecond},
		"half a one":         {0.5, 1, 2 * time.Second},
		"two and a half":     {2.5, 3, 400 * time.Millisecond},
		"many":               {1e18, 1000, 0},
		"the most":           {math.MaxFloat64, 1000, 0},
		"one in ages":        {1e-12, 1, 1 << 62},
		"one in endless":     {math.SmallestNonzeroFloat64, 1, 1 << 62},
		"one in a fortnight": {1.0 / (14 * 24 * 3600), 1, 14 * 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := access.NewMeter(access.Limits{RequestsPerSecond: c.perSecond})
			got, retryAfter := allowed(m, epoch)
			// The rate is a float.
			if got != c.burst || (retryAfter-c.retryAfter).Abs() > time.Millisecond {
				t.Errorf("%d at once, then after %v; want %d, %v", got, retryAfter, c.burst, c.retryAfter)
			}
		})
	}
}

func TestMeterRefills(t *testing.T) {
	t.Parallel()
	m := access.NewMeter(access.Limits{RequestsPerSecond: 4})
	now := epoch
	for i, step := range []struct {
		after time.Duration
		want  int
	}{
		{0, 4},
		{0, 0}, // those refused before were not counted
		{249 * time.Millisecond, 0},
		{time.Millisecond, 1},
		{time.Second, 4},
		{time.Hour, 4},  // no more than a second's worth
		{-time.Hour, 0}, // the clock was set back
	} {
		now = now.Add(step.after)
		if got, _ := allowed(m, now); got != step.want {
			t.Errorf("step %d: %d allowed, want %d", i, got, step.want)
		}
	}
}

// Who comes after the time that was said is let through.
func TestMeterRetryAfter(t *testing.T) {
	t.Parallel()
	for _, perSecond := range []float64{0.3, 1, 7, 500} {
		m := access.NewMeter(access.Limits{RequestsPerSecond: perSecond})
		_, retryAfter := allowed(m, epoch)
		now := epoch.Add(retryAfter + time.Microsecond) // the rate is a float
		if left := m.Request(now); left > 0 {
			t.Errorf("%v a second: after %v it is another %v", perSecond, retryAfter, left)
		}
		if left := m.Request(now); left <= 0 {
			t.Errorf("%v a second: after %v there is more than one", perSecond, retryAfter)
		}
	}
}

func TestMeterByMany(t *testing.T) {
	t.Parallel()
	const most = 100
	m := access.NewMeter(access.Limits{RequestsPerSecond: most})
	var let atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range most {
				if m.Request(epoch) == 0 {
					let.Add(1)
				}
			}
		})
	}
	all.Wait()
	if got := let.Load(); got != most {
		t.Errorf("%d allowed, want %d", got, most)
	}
}

func TestMeterSetLimits(t *testing.T) {
	t.Parallel()
	m := access.NewMeter(access.Limits{RequestsPerSecond: 5, Watches: 2})
	for i, step := range []struct {
		limits access.Limits
		want   int
	}{
		{access.Limits{RequestsPerSecond: 5, Watches: 2}, 5},
		{access.Limits{RequestsPerSecond: 5, Watches: 9, FileBytes: 9}, 0}, // is no new quota
		{access.Limits{RequestsPerSecond: 3}, 3},
		{access.Limits{}, 1000},
		{access.Limits{RequestsPerSecond: 1}, 1},
	} {
		m.SetLimits(step.limits)
		if got := m.Limits(); got != step.limits {
			t.Errorf("step %d: limits %+v, want %+v", i, got, step.limits)
		}
		if got, _ := allowed(m, epoch); got != step.want {
			t.Errorf("step %d: %d allowed, want %d", i, got, step.want)
		}
	}
}

func TestMeterWatches(t *testing.T) {
	t.Parallel()
	m := access.NewMeter(access.Limits{Watches: 2})
	wantOpen := func(want bool, watches int) {
		t.Helper()
		if got := m.OpenWatch(); got != want || m.Watches() != watches {
			t.Errorf("opened is %v, %d watches; want %v, %d", got, m.Watches(), want, watches)
		}
	}
	wantOpen(true, 1)
	wantOpen(true, 2)
	wantOpen(false, 2)
	m.CloseWatch()
	wantOpen(true, 2)
	m.SetLimits(access.Limits{Watches: 1}) // those that are open stay open
	wantOpen(false, 2)
	m.CloseWatch()
	wantOpen(false, 1)
	m.CloseWatch()
	wantOpen(true, 1)
	m.SetLimits(access.Limits{})
	for n := range 10 {
		wantOpen(true, n+2)
	}
}

// A watch that is refused is not counted even for a moment: another one might be refused
// because of it.
func TestMeterWatchesOfMany(t *testing.T) {
	t.Parallel()
	const most = 3
	m := access.NewMeter(access.Limits{Watches: most})
	var opened, refused atomic.Int64
	var all sync.WaitGroup
	for range 2 * most {
		all.Go(func() {
			for refused.Load() < 200 || opened.Load() < 200 {
				open := m.OpenWatch()
				if n := m.Watches(); n > most {
					t.Errorf("%d watches, want at most %d", n, most)
				}
				if open {
					opened.Add(1)
					runtime.Gosched()
					m.CloseWatch()
				} else {
					refused.Add(1)
				}
				m.SetLimits(access.Limits{Watches: most})
			}
		})
	}
	all.Wait()
	if got := m.Watches(); got != 0 {
		t.Errorf("%d watches are left", got)
	}
}

func TestNoMeter(t *testing.T) {
	t.Parallel()
	var m *access.Meter
	if got, _ := allowed(m, epoch); got != 1000 {
		t.Errorf("%d requests allowed", got)
	}
	if !m.OpenWatch() || m.Watches() != 0 || m.Limits() != (access.Limits{}) {
		t.Error("no meter limits something")
	}
	m.CloseWatch()
}
