package datadir

import (
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// diskFaultPause is the least time between two lines of the log about databases that cannot
// be opened because of the disk. Of those that are open each tells by itself.
const diskFaultPause = time.Minute

// diskFaults tells the log of them, some for all: clients ask for them again and again. It is
// safe for concurrent use.
type diskFaults struct {
	now    func() time.Time
	logger *slog.Logger

	mu       sync.Mutex
	loggedAt time.Time // guarded by mu
	failed   int       // guarded by mu: openings since then
}

// note takes in why a database could not be opened.
func (f *diskFaults) note(id uuid.UUID, err error) {
	if sqlitebackend.DiskError(err) == nil {
		return
	}
	if failed := f.untold(); failed > 0 {
		f.logger.Error("databases cannot be opened", "failed_openings", failed, "last_database_id", id.String(), "error", err)
	}
}

// untold counts one more, and gives how many the log is to be told of; 0 if it was told a
// short time ago.
func (f *diskFaults) untold() (failed int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed++
	now := f.now()
	if !f.loggedAt.IsZero() && now.Sub(f.loggedAt) < diskFaultPause {
		return 0
	}
	failed = f.failed
	f.loggedAt, f.failed = now, 0
	return failed
}
