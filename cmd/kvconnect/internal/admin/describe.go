package admin

import (
	"time"

	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/control"
)

func describeDatabase(database control.Database) Database {
	return Database{ID: database.ID, Name: database.Name, CreatedAt: database.CreatedAt, Limits: Limits(database.Limits)}
}

func (l *Local) describeTokens(tokens []control.Token) []Token {
	described := make([]Token, len(tokens))
	for i, token := range tokens {
		described[i] = l.describeToken(token)
	}
	return described
}

func (l *Local) describeToken(token control.Token) Token {
	described := Token{
		ID: token.ID, DatabaseID: token.DatabaseID, Scope: token.Scope, Note: token.Note, CreatedAt: token.CreatedAt,
		ExpiresAt: optional(token.ExpiresAt), RevokedAt: optional(token.RevokedAt), LastUsedAt: optional(token.LastUsedAt),
		Limits: Limits(token.Limits),
	}
	if database, found := l.dir.Control().FindDatabase(token.DatabaseID.String()); found {
		described.Database = database.Name
	}
	return described
}

func describeKeys(keys []auth.Key) []Key {
	described := make([]Key, len(keys))
	for i, key := range keys {
		described[i] = Key{ID: key.ID, CreatedAt: key.CreatedAt, RetiredAt: optional(key.RetiredAt)}
	}
	return described
}

// optional gives nil for the zero time.
func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// timeOf gives the zero time for nil.
func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
