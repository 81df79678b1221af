package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"sync"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/protocol"
)

const masterIDPrefix = "m_"

// masterToken is the access token that opens every database. It is safe for concurrent
// use.
type masterToken struct {
	hash     AccessTokenHash
	id       string
	registry Registry

	mu      sync.Mutex
	grants  map[uuid.UUID]*access.Grant // by database; guarded by mu
	sweepAt int                         // the size of grants to look through them at; guarded by mu
}

// minSweepAt is how many grants are not worth looking through.
const minSweepAt = 64

func newMasterToken(hash AccessTokenHash, registry Registry) *masterToken {
	// The id binds data path tokens to the access token that they were given for: with
	// another one they are worth nothing.
	fingerprint := sha256.Sum256(append([]byte("data path subject "), hash[:]...))
	return &masterToken{
		hash: hash, id: masterIDPrefix + hex.EncodeToString(fingerprint[:8]), registry: registry,
		grants: make(map[uuid.UUID]*access.Grant), sweepAt: minSweepAt,
	}
}

func (m *masterToken) hasHash(hash AccessTokenHash) bool {
	return subtle.ConstantTimeCompare(hash[:], m.hash[:]) == 1
}

// grant gives the grant for the database of that name or id, "" being the default one, or
// protocol.ErrUnknownDatabase.
func (m *masterToken) grant(database string) (*access.Grant, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	// The registry is asked under mu: a database that it knows here has not been
	// forgotten, and its grant will be revoked if it is later.
	known, found := m.find(database)
	if !found {
		return nil, protocol.ErrUnknownDatabase
	}
	grant, found := m.grants[known.ID]
	if !found {
		m.sweep()
		grant = &access.Grant{TokenID: m.id, DatabaseID: known.ID, Scope: access.ScopeWrite, Database: known.Meter}
		m.grants[known.ID] = grant
	}
	return grant, nil
}

func (m *masterToken) find(database string) (Database, bool) {
	if database == "" {
		return m.registry.DefaultDatabase()
	}
	return m.registry.Database(database)
}

// sweep bounds the grants by the number of databases, should nobody say which are gone.
// The caller holds mu.
func (m *masterToken) sweep() {
	if len(m.grants) < m.sweepAt {
		return
	}
	for id, grant := range m.grants {
		if _, found := m.registry.Database(id.String()); !found {
			grant.Revoke()
			delete(m.grants, id)
		}
	}
	m.sweepAt = max(minSweepAt, 2*len(m.grants))
}

func (m *masterToken) forgetDatabase(id uuid.UUID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if grant, found := m.grants[id]; found {
		grant.Revoke()
		delete(m.grants, id)
	}
}
