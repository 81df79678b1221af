package sqlitebackend

import "time"

// Observer is told what a Backend does. Its methods are called by many goroutines at once,
// and by the one that has the writer's turn: they must not wait, and not call the Backend.
type Observer interface {
	// GroupCommitted tells that the writes of one transaction are durable, so long after it
	// began. Transactions that changed nothing are not told of.
	GroupCommitted(writes int, took time.Duration)
	// ReadWaited tells that a read found no idle connection, and got one so much later.
	ReadWaited(waited time.Duration)
	// Checkpointed tells that the WAL was written back into the file, as far as readers let
	// it; err is nil unless that failed.
	Checkpointed(took time.Duration, err error)
	// Swept tells that expired keys were removed from the file, of which the first had
	// expired so long before.
	Swept(keys int, lag time.Duration)
}

// noObserver is the Observer of those who want none.
type noObserver struct{}

func (noObserver) GroupCommitted(int, time.Duration) {}
func (noObserver) ReadWaited(time.Duration)          {}
func (noObserver) Checkpointed(time.Duration, error) {}
func (noObserver) Swept(int, time.Duration)          {}
