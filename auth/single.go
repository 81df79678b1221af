package auth

import (
	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
)

// OneDatabase is the Registry of a server with one database and no registered access
// tokens. It is safe for concurrent use.
type OneDatabase struct {
	database Database
}

// NewOneDatabase gives the registry of the database with that id. name is "" if it has
// none, and meter nil if it has no limits.
func NewOneDatabase(id uuid.UUID, name string, meter *access.Meter) *OneDatabase {
	return &OneDatabase{database: Database{ID: id, Name: name, Meter: meter}}
}

// GrantByHash finds nothing.
func (*OneDatabase) GrantByHash(AccessTokenHash) (grant *access.Grant, found bool) {
	return nil, false
}

// GrantByID finds nothing.
func (*OneDatabase) GrantByID(string) (grant *access.Grant, found bool) { return nil, false }

// Database gives the database if that is its name or id.
func (o *OneDatabase) Database(nameOrID string) (database Database, found bool) {
	if nameOrID == "" || !o.database.isCalled(nameOrID) {
		return Database{}, false
	}
	return o.database, true
}

// DefaultDatabase gives the database.
func (o *OneDatabase) DefaultDatabase() (database Database, found bool) { return o.database, true }
