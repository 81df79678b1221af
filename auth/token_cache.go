package auth

import (
	"crypto/sha256"
	"sync"
)

// maxCachedTokens bounds each of the two generations of the cache. Deno asks for
// a new token about once a minute, so a program uses one only for so long.
const maxCachedTokens = 4096

// tokenCache remembers what verified tokens say. It keeps two generations: when
// the young one is full the old one is dropped and the young one becomes old, so
// that what is used stays and the size is bounded without any bookkeeping on a
// hit. Tokens are kept as hashes, whose comparison tells an attacker nothing. It
// is safe for concurrent use.
type tokenCache struct {
	maxYoung int

	mu sync.RWMutex
	// young and old are guarded by mu.
	young, old map[[sha256.Size]byte]grant
}

func newTokenCache(maxYoung int) *tokenCache {
	return &tokenCache{maxYoung: maxYoung, young: make(map[[sha256.Size]byte]grant)}
}

func (c *tokenCache) get(token string) (grant, bool) {
	key := sha256.Sum256([]byte(token))
	c.mu.RLock()
	g, young := c.young[key]
	if young {
		c.mu.RUnlock()
		return g, true
	}
	g, old := c.old[key]
	c.mu.RUnlock()
	if old {
		c.store(key, g)
	}
	return g, old
}

func (c *tokenCache) put(token string, g grant) {
	c.store(sha256.Sum256([]byte(token)), g)
}

func (c *tokenCache) store(key [sha256.Size]byte, g grant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.young) >= c.maxYoung {
		c.old, c.young = c.young, make(map[[sha256.Size]byte]grant)
	}
	c.young[key] = g
}
