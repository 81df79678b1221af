package sqlitebackend

import (
	"fmt"
	"sync"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
)

// stuckAfter is how long the writer's turn may be seen with the same task before the disk
// counts as one that fails. Nothing that goes well takes a tenth of that, and a lock of
// another process is waited for half as long.
const stuckAfter = 10 * time.Second

// stuckTurn finds a disk that does not answer: no write fails on it, and none ends. It costs
// writes nothing, for it learns of a turn only when somebody asks. It is safe for concurrent
// use.
type stuckTurn struct {
	clock Clock

	mu     sync.Mutex
	turn   uint64    // guarded by mu: the one that was seen last; 0 for none
	seenAt time.Time // guarded by mu: when it was seen first
}

// check takes in whose turn it is, 0 for nobody's, and fails with protocol.ErrDiskFailing if
// that has been so for too long.
func (s *stuckTurn) check(turn uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	if turn != s.turn {
		s.turn, s.seenAt = turn, now
	}
	if lasted := now.Sub(s.seenAt); turn != 0 && lasted >= stuckAfter {
		return fmt.Errorf("%w (it has not answered a write for %v)", protocol.ErrDiskFailing, lasted)
	}
	return nil
}
