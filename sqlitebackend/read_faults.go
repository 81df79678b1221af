package sqlitebackend

import (
	"log/slog"
	"sync"
	"time"
)

// readFaults tells the log of reads that fail because of the disk, some for all: programs
// read again and again. It is safe for concurrent use.
type readFaults struct {
	clock  Clock
	logger *slog.Logger

	mu       sync.Mutex
	loggedAt time.Time // guarded by mu
	failed   int       // guarded by mu: since then
}

// note takes in the error of a read, which may be nil, and gives it back.
func (f *readFaults) note(err error) error {
	if diskErrorOf(err) == nil {
		return err
	}
	if failed := f.untold(); failed > 0 {
		f.logger.Error("reads fail", "failed_reads", failed, "error", err)
	}
	return err
}

// untold counts one more, and gives how many the log is to be told of; 0 if it was told a
// short time ago.
func (f *readFaults) untold() (failed int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed++
	now := f.clock.Now()
	if !f.loggedAt.IsZero() && now.Sub(f.loggedAt) < troubleLogPause {
		return 0
	}
	failed = f.failed
	f.loggedAt, f.failed = now, 0
	return failed
}
