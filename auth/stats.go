package auth

import "time"

// Stats is what an operator asks about an Authority.
type Stats struct {
	// CacheHits and CacheMisses are how many data path tokens were, and were not, among those
	// that had been verified before. Those that are too long to be one are not looked for.
	CacheHits, CacheMisses uint64
	// SigningKeyID is the id of the key that signs. SigningKeyCreatedAt is the zero time if
	// nobody knows.
	SigningKeyID        string
	SigningKeyCreatedAt time.Time
	// VerifyingKeys is how many keys verify, the one that signs among them.
	VerifyingKeys int
}

// Stats costs next to nothing.
func (a *Authority) Stats() Stats {
	keys, now := a.signing.Load().keys, a.now()
	stats := Stats{
		CacheHits: a.cacheHits.Load(), CacheMisses: a.cacheMisses.Load(),
		SigningKeyID: keys.signing.ID, SigningKeyCreatedAt: keys.signing.CreatedAt,
	}
	for _, key := range keys.keys {
		if key.verifies(now) {
			stats.VerifyingKeys++
		}
	}
	return stats
}
