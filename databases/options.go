package databases

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/kvconnect"
)

const (
	// DefaultMaxOpen bounds the memory and the open files of a server whose operator chose
	// nothing.
	DefaultMaxOpen = 128
	// DefaultIdleTimeout is longer than programs that come back by the minute stay away.
	DefaultIdleTimeout = 5 * time.Minute
	// DefaultWaitTimeout is shorter than clients wait for an answer.
	DefaultWaitTimeout = 5 * time.Second
)

// Options says how databases are opened, and how many for how long.
type Options struct {
	// Open opens a database, or fails with protocol.ErrUnknownDatabase if there is none of
	// that id. It is called by several goroutines at once, but never for an id whose Backend
	// is open, being opened or being closed. Its ctx ends when the pool is closed and when
	// the database is forgotten, not with that of who asked for the database.
	Open func(ctx context.Context, id uuid.UUID) (kvconnect.Backend, error)
	// MaxOpen is how many may be open at once, those that are being opened or closed
	// included; DefaultMaxOpen if it is 0 or less.
	MaxOpen int
	// IdleTimeout is how long after its last use a database is closed; DefaultIdleTimeout if
	// it is 0 or less.
	IdleTimeout time.Duration
	// WaitTimeout is how long Lend waits for room while all MaxOpen are on loan;
	// DefaultWaitTimeout if it is 0 or less. The time that opening takes is not part of it.
	WaitTimeout time.Duration
	// Check fails if databases cannot be served, for a reason that is not that of one alone.
	// There is none if it is nil.
	Check func(ctx context.Context) error
	// Clock is the system's if nil.
	Clock Clock
	// Logger gets what no caller can be told; it is discarded if nil.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.MaxOpen <= 0 {
		o.MaxOpen = DefaultMaxOpen
	}
	if o.IdleTimeout <= 0 {
		o.IdleTimeout = DefaultIdleTimeout
	}
	if o.WaitTimeout <= 0 {
		o.WaitTimeout = DefaultWaitTimeout
	}
	if o.Check == nil {
		o.Check = func(context.Context) error { return nil }
	}
	if o.Clock == nil {
		o.Clock = systemClock{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Clock tells the time and wakes at a time. Tests put their own in its place. It must be safe
// for concurrent use.
type Clock interface {
	Now() time.Time
	// NewTimerAt gives a channel on which one value arrives at the given time, or at once if
	// that has passed, and a function that gives the timer up.
	NewTimerAt(at time.Time) (fired <-chan time.Time, stop func() bool)
}

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) NewTimerAt(at time.Time) (<-chan time.Time, func() bool) {
	timer := time.NewTimer(time.Until(at))
	return timer.C, timer.Stop
}
