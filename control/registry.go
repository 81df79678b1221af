package control

import (
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/auth"
)

var _ auth.Registry = (*Store)(nil)

// GrantByHash gives the grant of the access token with that hash, also of one that was
// revoked or has expired, or whose database was deleted.
func (s *Store) GrantByHash(hash auth.AccessTokenHash) (grant *access.Grant, found bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.mirror.grantByHash(hash)
}

// GrantByID gives the grant of the access token with that id, as GrantByHash does.
func (s *Store) GrantByID(tokenID string) (grant *access.Grant, found bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	grant, found = s.mirror.grantsByID[tokenID]
	return grant, found
}

// Database gives the database with that name or id.
func (s *Store) Database(nameOrID string) (d auth.Database, found bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	known, found := s.mirror.find(nameOrID)
	if !found {
		return auth.Database{}, false
	}
	return auth.Database{ID: known.ID, Name: known.Name, Meter: known.meter}, true
}

// DefaultDatabase gives the database that is named DefaultDatabaseName.
func (s *Store) DefaultDatabase() (d auth.Database, found bool) {
	return s.Database(DefaultDatabaseName)
}
