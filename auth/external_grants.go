package auth

import (
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/protocol"
)

// maxExternalGrants bounds each of two generations of grants. Whoever comes with a token
// whose grant was dropped gets a new one.
const maxExternalGrants = 4096

// externalGrants gives those who come with the same identity, and with an access token
// that ends at the same time, one grant. It is safe for concurrent use.
type externalGrants struct {
	registry Registry

	mu     sync.Mutex
	grants generations[externalGrant, *access.Grant] // guarded by mu
}

// externalGrant is what a grant for an identity is made from.
type externalGrant struct {
	identityID string
	databaseID uuid.UUID
	scope      access.Scope
	expiresAt  time.Time // in UTC and whole seconds, as the claims of a token have it
}

func newExternalGrants(registry Registry, maxYoung int) *externalGrants {
	return &externalGrants{
		registry: registry,
		grants:   newGenerations[externalGrant, *access.Grant](maxYoung),
	}
}

// grant gives the grant of an identity that is sound, or protocol.ErrUnknownDatabase if its
// database is not there, or is not the one that is asked for; "" asks for none.
func (e *externalGrants) grant(identity Identity, asked string) (*access.Grant, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	// As with the master token, the registry is asked under mu.
	database, found := e.registry.Database(canonicalDatabase(identity.Database))
	if !found || !database.isCalled(asked) {
		return nil, protocol.ErrUnknownDatabase
	}
	key := externalGrant{
		identityID: identity.ID, databaseID: database.ID, scope: identity.Scope,
		expiresAt: identity.ExpiresAt.UTC().Truncate(time.Second),
	}
	grant, young, found := e.grants.get(key)
	if !found {
		grant = &access.Grant{
			TokenID: identity.ID, DatabaseID: database.ID, Scope: identity.Scope,
			ExpiresAt: key.expiresAt, Database: database.Meter,
		}
	}
	if !young {
		e.grants.put(key, grant)
	}
	return grant, nil
}

func (e *externalGrants) forgetDatabase(id uuid.UUID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.grants.deleteFunc(func(key externalGrant, grant *access.Grant) bool {
		if key.databaseID != id {
			return false
		}
		grant.Revoke()
		return true
	})
}
