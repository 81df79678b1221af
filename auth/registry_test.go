package auth_test

import (
	"crypto/subtle"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/auth"
)

// clock is a time that a test sets. It is safe for concurrent use.
type clock struct {
	mu  sync.Mutex
	now time.Time // guarded by mu
}

var startOfClocks = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func newClock() *clock { return &clock{now: startOfClocks} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// moveTo sets the time since the start.
func (c *clock) moveTo(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = startOfClocks.Add(d)
}

// memoryRegistry is a Registry in memory, which notes what databases it is asked for. It
// is safe for concurrent use.
type memoryRegistry struct {
	mu sync.Mutex
	// All are guarded by mu.
	databases map[uuid.UUID]auth.Database
	grants    map[auth.AccessTokenHash]*access.Grant
	asked     []string
}

func newMemoryRegistry() *memoryRegistry {
	return &memoryRegistry{
		databases: make(map[uuid.UUID]auth.Database),
		grants:    make(map[auth.AccessTokenHash]*access.Grant),
	}
}

func (r *memoryRegistry) addDatabase(name string) auth.Database {
	r.mu.Lock()
	defer r.mu.Unlock()
	database := auth.Database{ID: uuid.New(), Name: name, Meter: access.NewMeter(access.Limits{})}
	r.databases[database.ID] = database
	return database
}

// deleteDatabase does to registered tokens what a Registry has to, and to others nothing.
func (r *memoryRegistry) deleteDatabase(id uuid.UUID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.databases, id)
	for _, grant := range r.grants {
		if grant.DatabaseID == id {
			grant.Revoke()
		}
	}
}

// addToken registers a new token for the database.
func (r *memoryRegistry) addToken(t testing.TB, id string, database auth.Database, scope access.Scope, expiresAt time.Time) (token string, grant *access.Grant) {
	t.Helper()
	token = auth.GenerateAccessToken()
	grant = &access.Grant{TokenID: id, DatabaseID: database.ID, Scope: scope, ExpiresAt: expiresAt, Database: database.Meter}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.grants[hashOf(t, token)] = grant
	return token, grant
}

func (r *memoryRegistry) removeToken(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for hash, grant := range r.grants {
		if grant.TokenID == id {
			delete(r.grants, hash)
		}
	}
}

// databasesAskedFor gives what Database was called with since the last time.
func (r *memoryRegistry) databasesAskedFor() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked := r.asked
	r.asked = nil
	return asked
}

func (r *memoryRegistry) GrantByHash(hash auth.AccessTokenHash) (*access.Grant, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found *access.Grant
	for known, grant := range r.grants {
		if subtle.ConstantTimeCompare(known[:], hash[:]) == 1 {
			found = grant
		}
	}
	return found, found != nil
}

func (r *memoryRegistry) GrantByID(id string) (*access.Grant, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, grant := range r.grants {
		if grant.TokenID == id {
			return grant, true
		}
	}
	return nil, false
}

func (r *memoryRegistry) Database(nameOrID string) (auth.Database, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, nameOrID)
	return r.find(nameOrID)
}

// find needs mu.
func (r *memoryRegistry) find(nameOrID string) (auth.Database, bool) {
	for id, database := range r.databases {
		if nameOrID != "" && (nameOrID == database.Name || nameOrID == id.String()) {
			return database, true
		}
	}
	return auth.Database{}, false
}

func (r *memoryRegistry) DefaultDatabase() (auth.Database, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.find("default")
}

func hashOf(t testing.TB, token string) auth.AccessTokenHash {
	t.Helper()
	hash, err := auth.HashAccessToken(token)
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

func ringOf(t testing.TB, keys ...auth.Key) *auth.KeyRing {
	t.Helper()
	ring, err := auth.NewKeyRing(keys)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// issue gives a data path token for the grant.
func issue(t testing.TB, a *auth.Authority, grant *access.Grant) (token string, expiresAt time.Time) {
	t.Helper()
	token, expiresAt, err := a.IssueDataPathToken(grant)
	if err != nil {
		t.Fatal(err)
	}
	return token, expiresAt
}

func authorize(t testing.TB, a *auth.Authority, token, database string) *access.Grant {
	t.Helper()
	grant, err := a.Authorize(t.Context(), token, database)
	if err != nil {
		t.Fatal(err)
	}
	return grant
}
