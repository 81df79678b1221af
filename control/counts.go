package control

import "github.com/google/uuid"

// Counts is how much there is in a Store.
type Counts struct {
	Databases int
	// AccessTokens has those that are valid now: not revoked, and not expired.
	AccessTokens int
}

// Counts looks at each token, some milliseconds for a hundred thousand.
func (s *Store) Counts() Counts {
	now := s.now()
	s.mu.RLock()
	defer s.mu.RUnlock()
	counts := Counts{Databases: len(s.mirror.databases)}
	for _, t := range s.mirror.tokens {
		if t.grant.Err(now) == nil {
			counts.AccessTokens++
		}
	}
	return counts
}

// HasDatabase tells whether there is a database of that id.
func (s *Store) HasDatabase(id uuid.UUID) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, found := s.mirror.databases[id]
	return found
}
