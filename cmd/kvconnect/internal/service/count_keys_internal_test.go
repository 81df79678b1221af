package service

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
)

// slowCounter takes its time to count, and notes when it began.
type slowCounter struct {
	takes time.Duration
	err   error
	begun []time.Duration // since the epoch
	epoch time.Time
}

func (c *slowCounter) CountKeys(ctx context.Context) error {
	c.begun = append(c.begun, time.Since(c.epoch))
	select {
	case <-time.After(c.takes):
		return c.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestKeysAreCountedInAShareOfTheTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		epoch := time.Now()
		small, large := &slowCounter{takes: time.Millisecond, epoch: epoch}, &slowCounter{takes: 2 * time.Second, epoch: epoch}
		var open atomic.Pointer[[]keyCounter]
		open.Store(&[]keyCounter{small})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan struct{})
		var log strings.Builder
		go func() {
			defer close(ended)
			countKeys(ctx, func() []keyCounter { return *open.Load() }, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
		}()
		pass := func(d time.Duration) {
			<-time.After(d)
			synctest.Wait()
		}
		pass(countInterval + countInterval/2)
		want := []time.Duration{0, countInterval}
		if len(small.begun) != 2 || small.begun[0] != want[0] || small.begun[1] != want[1] {
			t.Errorf("a small database is counted at %v, want %v", small.begun, want)
		}
		open.Store(&[]keyCounter{large, small})
		pass(20 * time.Minute)
		if n := len(large.begun); n < 2 {
			t.Fatalf("a large database was counted %d times", n)
		}
		for i := range large.begun[1:] {
			if pause := large.begun[i+1] - large.begun[i]; pause < countRest*large.takes {
				t.Errorf("a large database is counted again after %v", pause)
			}
		}
		open.Store(&[]keyCounter{&slowCounter{err: protocol.ErrClosed}, &slowCounter{err: errors.New("the file is gone")}})
		pass(20 * time.Minute)
		cancel()
		<-ended // at once, although it rests
		if text := log.String(); !strings.Contains(text, "the file is gone") || strings.Contains(text, protocol.ErrClosed.Error()) {
			t.Errorf("it logged %s", text)
		}
	})
}
