package bench

import (
	"context"
	"time"
)

// cpuTimes is the CPU that was used by the process of the server and by this one. A
// time that cannot be had is nil.
type cpuTimes struct {
	server, client *time.Duration
}

func cpuNow(pid int) (now cpuTimes) {
	if d, ok := processCPU(pid); ok {
		now.server = &d
	}
	if d, ok := ownCPU(); ok {
		now.client = &d
	}
	return now
}

// since gives what was used from before to now.
func (now cpuTimes) since(before cpuTimes) cpuTimes {
	return cpuTimes{server: difference(now.server, before.server), client: difference(now.client, before.client)}
}

func difference(now, before *time.Duration) *time.Duration {
	if now == nil || before == nil {
		return nil
	}
	d := *now - *before
	return &d
}

// plus adds what was used at another time.
func (now cpuTimes) plus(other cpuTimes) cpuTimes {
	return cpuTimes{server: sum(now.server, other.server), client: sum(now.client, other.client)}
}

func sum(a, b *time.Duration) *time.Duration {
	if a == nil || b == nil {
		return nil
	}
	d := *a + *b
	return &d
}

// meter measures from the end of the warm-up on.
type meter struct {
	pid    int
	cancel context.CancelFunc
	begun  chan cpuTimes // gets the times at the start, or is closed
}

// startMeter begins to measure at a time to come.
func startMeter(ctx context.Context, pid int, start time.Time) *meter {
	ctx, cancel := context.WithCancel(ctx)
	m := &meter{pid: pid, cancel: cancel, begun: make(chan cpuTimes, 1)}
	go func() {
		defer close(m.begun)
		pause(ctx, time.Until(start))
		if !time.Now().Before(start) {
			m.begun <- cpuNow(pid)
		}
	}()
	return m
}

// stop gives what was used since; nothing if the start never came.
func (m *meter) stop() cpuTimes {
	now := cpuNow(m.pid)
	m.cancel()
	begun, ok := <-m.begun
	if !ok {
		return cpuTimes{}
	}
	return now.since(begun)
}
