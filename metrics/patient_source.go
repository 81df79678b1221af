package metrics

import (
	"sync"
	"time"
)

// sourcePatience is how long a scrape waits for what takes a disk to tell. It is well below
// the 10 seconds after which Prometheus gives a scrape up.
const sourcePatience = 2 * time.Second

// patientSource asks for the databases, and does not wait for a disk that hangs: a scrape
// tells of everything else then, and of the databases as they were, but that they cannot be
// written to. There is one question at a time, which ends when the disk answers. It is safe
// for concurrent use.
type patientSource struct {
	ask func() []Database

	mu       sync.Mutex
	underWay *databasesAnswer // guarded by mu; nil if nothing is asked
	last     []Database       // guarded by mu: the last answer, which nobody changes
}

// databasesAnswer is written to until ready is closed, and only read after that.
type databasesAnswer struct {
	ready     chan struct{}
	databases []Database
}

func (s *patientSource) databases() []Database {
	answer := s.begin()
	timer := time.NewTimer(sourcePatience)
	defer timer.Stop()
	select {
	case <-answer.ready:
		return answer.databases
	case <-timer.C:
		return s.unanswered()
	}
}

// begin gives the answer that is awaited, perhaps by others too.
func (s *patientSource) begin() *databasesAnswer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.underWay != nil {
		return s.underWay
	}
	answer := &databasesAnswer{ready: make(chan struct{})}
	s.underWay = answer
	go func() {
		answer.databases = s.ask()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.underWay, s.last = nil, answer.databases
		close(answer.ready)
	}()
	return answer
}

// unanswered gives the databases as they were, all of which nobody can write to.
func (s *patientSource) unanswered() []Database {
	s.mu.Lock()
	defer s.mu.Unlock()
	databases := make([]Database, len(s.last))
	for i, database := range s.last {
		database.Unwritable = true
		databases[i] = database
	}
	return databases
}
