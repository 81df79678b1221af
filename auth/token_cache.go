package auth

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
)

// maxCachedTokens bounds each of the two generations of the cache. Deno asks for
// a new token about once a minute, so a program uses one only for so long.
const maxCachedTokens = 4096

// verifiedToken is what a data path token that was verified stands for.
type verifiedToken struct {
	// grant is alive: that it was revoked shows here.
	grant     *access.Grant
	expiresAt time.Time // of the data path token
}

// tokenCache remembers verified tokens, without any bookkeeping on a hit. Tokens
// are kept as hashes, whose comparison tells an attacker nothing. It is safe for
// concurrent use.
type tokenCache struct {
	mu     sync.RWMutex
	tokens generations[[sha256.Size]byte, verifiedToken] // guarded by mu
}

func newTokenCache(maxYoung int) *tokenCache {
	return &tokenCache{tokens: newGenerations[[sha256.Size]byte, verifiedToken](maxYoung)}
}

// hashToken does not allocate for tokens that may be valid.
func hashToken(token string) [sha256.Size]byte {
	var buffer [maxTokenBytes]byte
	return sha256.Sum256(append(buffer[:0], token...))
}

func (c *tokenCache) get(token string) (verifiedToken, bool) {
	key := hashToken(token)
	c.mu.RLock()
	v, young, found := c.tokens.get(key)
	c.mu.RUnlock()
	if found && !young {
		c.store(key, v)
	}
	return v, found
}

func (c *tokenCache) put(token string, v verifiedToken) {
	c.store(hashToken(token), v)
}

func (c *tokenCache) store(key [sha256.Size]byte, v verifiedToken) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tokens.put(key, v)
}

// forgetDatabase revokes the grants of the database, and forgets their tokens.
func (c *tokenCache) forgetDatabase(id uuid.UUID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tokens.deleteFunc(func(_ [sha256.Size]byte, v verifiedToken) bool {
		if v.grant.DatabaseID != id {
			return false
		}
		v.grant.Revoke()
		return true
	})
}
