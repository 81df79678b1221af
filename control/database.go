package control

import (
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
)

const (
	// DefaultDatabaseName is the name of the database that is opened by who names none.
	DefaultDatabaseName = "default"

	// MaxNameBytes is the length of the longest name of a database.
	MaxNameBytes = 63
)

// Database is what is known of a database.
type Database struct {
	ID        uuid.UUID
	Name      string // unique, see ErrInvalidName
	CreatedAt time.Time
	Limits    access.Limits
}

// validateName fails with ErrInvalidName.
func validateName(name string) error {
	valid := name != "" && len(name) <= MaxNameBytes
	for i, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case c == '.' || c == '_' || c == '-':
			valid = valid && i > 0
		default:
			valid = false
		}
	}
	if _, err := uuid.Parse(name); err == nil {
		valid = false
	}
	if !valid {
		return ErrInvalidName
	}
	return nil
}
