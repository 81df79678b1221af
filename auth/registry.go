package auth

import (
	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
)

// Registry knows the access tokens and the databases that they are for. It is safe for
// concurrent use, and quick: it does not wait for a disk.
//
// A token has one grant, the same each time, and a database one meter: who revokes the
// grant or changes the limits of the meter reaches everybody who has it.
type Registry interface {
	// GrantByHash gives the grant of the access token with that hash, also of one that was
	// revoked or has expired. It compares hashes in constant time.
	GrantByHash(hash AccessTokenHash) (grant *access.Grant, found bool)

	// GrantByID gives the grant of the access token with that id, as GrantByHash does. Ids
	// begin neither with "m_" nor with "x_", which are for tokens that are not registered.
	GrantByID(tokenID string) (grant *access.Grant, found bool)

	// Database gives the database with that name or id, the id being in lower case and with
	// hyphens. No database is called "".
	Database(nameOrID string) (database Database, found bool)

	// DefaultDatabase gives the database that a token for all of them opens if it names
	// none.
	DefaultDatabase() (database Database, found bool)
}

// Database is what is known of a database without opening it.
type Database struct {
	ID   uuid.UUID
	Name string // "" for one without a name
	// Meter meters what is used of the database; nil for no limits.
	Meter *access.Meter
}

// isCalled tells whether that is the name or the id of the database, or "", which stands
// for the one that a token belongs to.
func (d Database) isCalled(nameOrID string) bool {
	return nameOrID == "" || nameOrID == d.Name || nameOrID == d.ID.String()
}

// canonicalDatabase gives what a Registry takes for the name or the id of a database: the
// id may be in upper case.
func canonicalDatabase(nameOrID string) string {
	if len(nameOrID) != uuidBytes {
		return nameOrID
	}
	if id, err := uuid.Parse(nameOrID); err == nil {
		return id.String()
	}
	return nameOrID
}

// uuidBytes is the length of a UUID with hyphens. uuid.Parse takes other forms too.
const uuidBytes = 36
