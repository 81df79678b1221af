package service

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
)

const (
	// countInterval is how long after one count of a database the next begins, at the least.
	countInterval = time.Minute
	// countRest is how many times as long as a count took there is none after it, so that
	// counting takes about a hundredth of the time, whatever there is to be counted.
	countRest = 100
)

// keyCounter is a database whose keys can be counted.
type keyCounter interface {
	CountKeys(ctx context.Context) error
}

// countKeys counts the keys of the databases that are open, of one after another, until ctx
// ends.
func countKeys(ctx context.Context, open func() []keyCounter, logger *slog.Logger) {
	for ctx.Err() == nil {
		nextRound := time.Now().Add(countInterval)
		for _, database := range open() {
			begun := time.Now()
			err := database.CountKeys(ctx)
			if err != nil && ctx.Err() == nil && !errors.Is(err, protocol.ErrClosed) {
				logger.Debug("keys cannot be counted", "error", err)
			}
			rest(ctx, countRest*time.Since(begun))
		}
		rest(ctx, time.Until(nextRound))
	}
}

// rest waits for so long, or until ctx ends.
func rest(ctx context.Context, duration time.Duration) {
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
