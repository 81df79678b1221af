package admin

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
)

// Operations is what can be done to a data folder. A database is named by its name or id. It
// is safe for concurrent use.
type Operations interface {
	CreateDatabase(ctx context.Context, create CreateDatabase) (Database, error)
	// AdoptDatabase takes over a copy of a file of the one-database mode, with its id.
	AdoptDatabase(ctx context.Context, adopt AdoptDatabase) (AdoptedDatabase, error)
	// Databases gives all of them, sorted by name.
	Databases(ctx context.Context) ([]Database, error)
	ChangeDatabase(ctx context.Context, nameOrID string, change ChangeDatabase) (Database, error)
	// DeleteDatabase ends the database and all its tokens, and keeps its file for a while.
	DeleteDatabase(ctx context.Context, nameOrID string) (DeletedDatabase, error)
	// DatabaseStats counts the keys, which takes its time.
	DatabaseStats(ctx context.Context, nameOrID string) (DatabaseStats, error)

	CreateToken(ctx context.Context, create CreateToken) (CreatedToken, error)
	// Tokens gives those of a database, or all for "", the oldest first.
	Tokens(ctx context.Context, nameOrID string) ([]Token, error)
	ChangeToken(ctx context.Context, id string, change ChangeToken) (Token, error)
	// RevokeToken ends a token at once and for good.
	RevokeToken(ctx context.Context, id string) (Token, error)

	// Keys gives the signing keys that are not forgotten, the oldest first.
	Keys(ctx context.Context) ([]Key, error)
	RotateKeys(ctx context.Context, rotate RotateKeys) ([]Key, error)
	// PublicKeys gives what verifies data path tokens, as a JWK set.
	PublicKeys(ctx context.Context) (json.RawMessage, error)
}

// Database is one database.
type Database struct {
	ID        uuid.UUID `json:"id"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"createdAt"`
	Limits    Limits    `json:"limits"`
}

// CreateDatabase asks for a new database.
type CreateDatabase struct {
	Name   string `json:"name"`
	Limits Limits `json:"limits"`
}

// AdoptDatabase asks for a file to be copied into the folder. No other program may have it
// open.
type AdoptDatabase struct {
	// Path is absolute, on the machine of the server.
	Path   string `json:"path"`
	Name   string `json:"name"`
	Limits Limits `json:"limits"`
	// AccessTokenSHA256 is the hash of an access token that shall go on to open the
	// database, in hexadecimal; "" for none but the one in the secrets file beside it.
	AccessTokenSHA256 string `json:"accessTokenSha256,omitempty"`
}

// AdoptedDatabase is the database and the tokens that it came with.
type AdoptedDatabase struct {
	Database Database `json:"database"`
	Tokens   []Token  `json:"tokens"`
}

// ChangeDatabase changes what is not nil.
type ChangeDatabase struct {
	Name   *string      `json:"name,omitempty"`
	Limits ChangeLimits `json:"limits"`
}

// DeletedDatabase tells where the file of a deleted database is.
type DeletedDatabase struct {
	Database      Database  `json:"database"`
	Path          string    `json:"path"`
	KeptUntil     time.Time `json:"keptUntil"`
	RevokedTokens int       `json:"revokedTokens"`
}

// DatabaseStats is what a database holds and how it is used.
type DatabaseStats struct {
	Database  Database `json:"database"`
	Path      string   `json:"path"`
	FileBytes int64    `json:"fileBytes"`
	UsedBytes int64    `json:"usedBytes"` // without pages that are free to be used again
	WALBytes  int64    `json:"walBytes"`
	Keys      int64    `json:"keys"`
	Watches   int      `json:"watches"` // open now
	Tokens    int      `json:"tokens"`  // that are valid
}

// Token is an access token, without what would open a database.
type Token struct {
	ID         string       `json:"id"`
	DatabaseID uuid.UUID    `json:"databaseId"`
	Database   string       `json:"database"` // its name; "" if it is deleted
	Scope      access.Scope `json:"scope"`
	Note       string       `json:"note"`
	CreatedAt  time.Time    `json:"createdAt"`
	ExpiresAt  *time.Time   `json:"expiresAt,omitempty"`
	RevokedAt  *time.Time   `json:"revokedAt,omitempty"`
	LastUsedAt *time.Time   `json:"lastUsedAt,omitempty"`
	Limits     Limits       `json:"limits"`
}

// CreateToken asks for a new access token.
type CreateToken struct {
	Database  string       `json:"database"`
	Scope     access.Scope `json:"scope"`
	Note      string       `json:"note"`
	ExpiresAt *time.Time   `json:"expiresAt,omitempty"`
	Limits    Limits       `json:"limits"`
}

// CreatedToken is a token and, this once, what opens the database.
type CreatedToken struct {
	Token       Token  `json:"token"`
	AccessToken string `json:"accessToken"`
}

// ChangeToken changes what is not nil.
type ChangeToken struct {
	Limits ChangeLimits `json:"limits"`
}

// Key is a signing key, without its private part.
type Key struct {
	ID        string     `json:"id"`
	CreatedAt time.Time  `json:"createdAt"`
	RetiredAt *time.Time `json:"retiredAt,omitempty"`
}

// RotateKeys asks for a new signing key.
type RotateKeys struct {
	// DropOld forgets all other keys at once: tokens that they signed are refused.
	DropOld bool `json:"dropOld"`
}

// Limits is access.Limits as JSON. 0 stands for no bound.
type Limits struct {
	RequestsPerSecond float64 `json:"requestsPerSecond,omitempty"`
	Watches           int     `json:"watches,omitempty"`
	FileBytes         int64   `json:"fileBytes,omitempty"`
}

// ChangeLimits changes what is not nil.
type ChangeLimits struct {
	RequestsPerSecond *float64 `json:"requestsPerSecond,omitempty"`
	Watches           *int     `json:"watches,omitempty"`
	FileBytes         *int64   `json:"fileBytes,omitempty"`
}

// apply gives limits with the changes.
func (c ChangeLimits) apply(limits access.Limits) access.Limits {
	if c.RequestsPerSecond != nil {
		limits.RequestsPerSecond = *c.RequestsPerSecond
	}
	if c.Watches != nil {
		limits.Watches = *c.Watches
	}
	if c.FileBytes != nil {
		limits.FileBytes = *c.FileBytes
	}
	return limits
}
