package control

import (
	"crypto/subtle"
	"slices"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/auth"
)

// mirror is what the file holds, as it is looked up.
type mirror struct {
	// defaults hold for a database that has no limits of its own.
	defaults  access.Limits
	databases map[uuid.UUID]*database
	names     map[string]*database
	tokens    map[string]*token // by id
	// grantsByID and grantsByHash have the grants of the tokens of deleted databases too.
	grantsByID   map[string]*access.Grant
	grantsByHash map[hashPrefix][]hashedGrant
	keys         []auth.Key
}

// database is a Database with what hangs on it.
type database struct {
	Database
	meter  *access.Meter
	tokens []*token // in the order in which they were created
}

// token is a Token with what hangs on it. Its LastUsedAt is the one in the file, which may
// be behind that of the grant.
type token struct {
	Token
	number int64 // grows from one token to the next
	grant  *access.Grant
}

// hashPrefix is the part of the hash of an access token by which it is looked up. Of the
// rest, the time that a comparison takes tells nothing.
type hashPrefix [8]byte

func prefixOf(hash auth.AccessTokenHash) hashPrefix { return hashPrefix(hash[:]) }

type hashedGrant struct {
	hash  auth.AccessTokenHash
	grant *access.Grant
}

func newMirror(defaults access.Limits) mirror {
	return mirror{
		defaults:     defaults,
		databases:    make(map[uuid.UUID]*database),
		names:        make(map[string]*database),
		tokens:       make(map[string]*token),
		grantsByID:   make(map[string]*access.Grant),
		grantsByHash: make(map[hashPrefix][]hashedGrant),
	}
}

func (m *mirror) addDatabase(d Database) {
	added := &database{Database: d, meter: access.NewMeter(d.Limits.Or(m.defaults))}
	m.databases[d.ID] = added
	m.names[d.Name] = added
}

func (m *mirror) renameDatabase(d *database, name string) {
	delete(m.names, d.Name)
	d.Name = name
	m.names[name] = d
}

// deleteDatabase leaves the grants of its tokens, which are to be revoked.
func (m *mirror) deleteDatabase(d *database) {
	for _, t := range d.tokens {
		delete(m.tokens, t.ID)
	}
	delete(m.names, d.Name)
	delete(m.databases, d.ID)
}

// addToken adds a token to the database, which is its own, after those that are there.
func (m *mirror) addToken(d *database, t Token, number int64, hash auth.AccessTokenHash) {
	added := &token{Token: t, number: number, grant: &access.Grant{
		TokenID: t.ID, DatabaseID: t.DatabaseID, Scope: t.Scope, ExpiresAt: t.ExpiresAt,
		Token: access.NewMeter(t.Limits), Database: d.meter,
	}}
	if !t.LastUsedAt.IsZero() {
		added.grant.Use(t.LastUsedAt)
	}
	if !t.RevokedAt.IsZero() {
		added.grant.Revoke()
	}
	m.tokens[t.ID] = added
	d.tokens = append(d.tokens, added)
	m.addGrant(added.grant, hash)
}

func (m *mirror) addGrant(grant *access.Grant, hash auth.AccessTokenHash) {
	prefix := prefixOf(hash)
	m.grantsByID[grant.TokenID] = grant
	m.grantsByHash[prefix] = append(m.grantsByHash[prefix], hashedGrant{hash, grant})
}

func (m *mirror) grantByHash(hash auth.AccessTokenHash) (grant *access.Grant, found bool) {
	for _, candidate := range m.grantsByHash[prefixOf(hash)] {
		if subtle.ConstantTimeCompare(candidate.hash[:], hash[:]) == 1 {
			grant, found = candidate.grant, true
		}
	}
	return grant, found
}

// find gives the database with that name or id. No name looks like an id.
func (m *mirror) find(nameOrID string) (*database, bool) {
	if d, found := m.names[nameOrID]; found {
		return d, true
	}
	id, err := uuid.Parse(nameOrID)
	if err != nil {
		return nil, false
	}
	d, found := m.databases[id]
	return d, found
}

// current gives the token as it is now.
func (t *token) current() Token {
	shown := t.Token
	shown.LastUsedAt = storedTime(t.grant.LastUsed())
	return shown
}

// cloneKeys gives keys that share no memory with the given ones.
func cloneKeys(keys []auth.Key) []auth.Key {
	clones := slices.Clone(keys)
	for i := range clones {
		clones[i].Private = slices.Clone(clones[i].Private)
	}
	return clones
}
