package admin

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/datadir"
	"github.com/kvconnect/kvconnect/control"
)

// Local does operations on a folder that this process has open.
type Local struct {
	dir *datadir.Dir
	now func() time.Time

	// limiting is held from the first look at limits until they are changed: of two who
	// change different ones at the same time, none undoes what the other did.
	limiting sync.Mutex
}

// NewLocal gives the operations on a folder. now is time.Now if nil.
func NewLocal(dir *datadir.Dir, now func() time.Time) *Local {
	if now == nil {
		now = time.Now
	}
	return &Local{dir: dir, now: now}
}

// CreateDatabase implements Operations.
func (l *Local) CreateDatabase(ctx context.Context, create CreateDatabase) (Database, error) {
	limits := access.Limits(create.Limits)
	if err := limits.Validate(); err != nil {
		return Database{}, err
	}
	database, err := l.dir.CreateDatabase(ctx, create.Name, limits)
	if err != nil {
		return Database{}, err
	}
	return describeDatabase(database), nil
}

// AdoptDatabase implements Operations.
func (l *Local) AdoptDatabase(ctx context.Context, adopt AdoptDatabase) (AdoptedDatabase, error) {
	limits := access.Limits(adopt.Limits)
	if err := limits.Validate(); err != nil {
		return AdoptedDatabase{}, err
	}
	if !filepath.IsAbs(adopt.Path) {
		return AdoptedDatabase{}, fmt.Errorf("%w: path is not absolute", errMalformed)
	}
	var hashes []auth.AccessTokenHash
	if adopt.AccessTokenSHA256 != "" {
		hash, err := hex.DecodeString(adopt.AccessTokenSHA256)
		if err != nil || len(hash) != len(auth.AccessTokenHash{}) {
			return AdoptedDatabase{}, fmt.Errorf("%w: accessTokenSha256 is not a SHA-256 in hexadecimal", errMalformed)
		}
		hashes = append(hashes, auth.AccessTokenHash(hash))
	}
	database, tokens, err := l.dir.AdoptDatabase(ctx, adopt.Path, adopt.Name, limits, hashes)
	if err != nil {
		return AdoptedDatabase{}, err
	}
	return AdoptedDatabase{Database: describeDatabase(database), Tokens: l.describeTokens(tokens)}, nil
}

// Databases implements Operations.
func (l *Local) Databases(context.Context) ([]Database, error) {
	all := l.dir.Control().Databases()
	described := make([]Database, len(all))
	for i, database := range all {
		described[i] = describeDatabase(database)
	}
	return described, nil
}

// ChangeDatabase implements Operations.
func (l *Local) ChangeDatabase(ctx context.Context, nameOrID string, change ChangeDatabase) (Database, error) {
	l.limiting.Lock()
	defer l.limiting.Unlock()
	database, err := l.find(nameOrID)
	if err != nil {
		return Database{}, err
	}
	limits := change.Limits.apply(database.Limits)
	if err := limits.Validate(); err != nil {
		return Database{}, err
	}
	if change.Name != nil {
		if database, err = l.dir.Control().RenameDatabase(ctx, database.ID, *change.Name); err != nil {
			return Database{}, err
		}
	}
	if change.Limits != (ChangeLimits{}) {
		if database, err = l.dir.SetDatabaseLimits(ctx, database.ID, limits); err != nil {
			return Database{}, err
		}
	}
	return describeDatabase(database), nil
}

// DeleteDatabase implements Operations.
func (l *Local) DeleteDatabase(ctx context.Context, nameOrID string) (DeletedDatabase, error) {
	database, err := l.find(nameOrID)
	if err != nil {
		return DeletedDatabase{}, err
	}
	valid := l.validTokens(database.ID)
	deleted, err := l.dir.DeleteDatabase(ctx, database.ID)
	if err != nil {
		return DeletedDatabase{}, err
	}
	return DeletedDatabase{
		Database: describeDatabase(deleted.Database), Path: deleted.Path, KeptUntil: deleted.KeptUntil, RevokedTokens: valid,
	}, nil
}

// DatabaseStats implements Operations.
func (l *Local) DatabaseStats(ctx context.Context, nameOrID string) (DatabaseStats, error) {
	database, err := l.find(nameOrID)
	if err != nil {
		return DatabaseStats{}, err
	}
	stats, path, err := l.dir.Stats(ctx, database.ID)
	if err != nil {
		return DatabaseStats{}, fmt.Errorf("statistics of %s: %w", database.Name, err)
	}
	described := DatabaseStats{
		Database: describeDatabase(database), Path: path,
		FileBytes: stats.FileBytes, UsedBytes: stats.UsedBytes, WALBytes: stats.WALBytes, Keys: stats.Keys,
		Tokens: l.validTokens(database.ID),
	}
	if known, found := l.dir.Control().Database(database.ID.String()); found {
		described.Watches = known.Meter.Watches()
	}
	return described, nil
}

// CreateToken implements Operations.
func (l *Local) CreateToken(ctx context.Context, create CreateToken) (CreatedToken, error) {
	database, err := l.find(create.Database)
	if err != nil {
		return CreatedToken{}, err
	}
	scope, err := access.ParseScope(string(create.Scope))
	if err != nil {
		return CreatedToken{}, err
	}
	limits := access.Limits(create.Limits)
	if err := limits.Validate(); err != nil {
		return CreatedToken{}, err
	}
	if create.ExpiresAt != nil && !l.now().Before(*create.ExpiresAt) {
		// The zero time would even make a token that never expires.
		return CreatedToken{}, errPastExpiry
	}
	accessToken := auth.GenerateAccessToken()
	hash, err := auth.HashAccessToken(accessToken)
	if err != nil {
		return CreatedToken{}, err
	}
	token, err := l.dir.Control().CreateToken(ctx, control.NewToken{
		DatabaseID: database.ID, Scope: scope, Note: create.Note, ExpiresAt: timeOf(create.ExpiresAt), Limits: limits, Hash: hash,
	})
	if err != nil {
		return CreatedToken{}, err
	}
	return CreatedToken{Token: l.describeToken(token), AccessToken: accessToken}, nil
}

// Tokens implements Operations.
func (l *Local) Tokens(_ context.Context, nameOrID string) ([]Token, error) {
	id := uuid.Nil
	if nameOrID != "" {
		database, err := l.find(nameOrID)
		if err != nil {
			return nil, err
		}
		id = database.ID
	}
	return l.describeTokens(l.dir.Control().Tokens(id)), nil
}

// ChangeToken implements Operations.
func (l *Local) ChangeToken(ctx context.Context, id string, change ChangeToken) (Token, error) {
	l.limiting.Lock()
	defer l.limiting.Unlock()
	token, err := l.dir.Control().FindToken(id)
	if err != nil {
		return Token{}, err
	}
	limits := change.Limits.apply(token.Limits)
	if err := limits.Validate(); err != nil {
		return Token{}, err
	}
	if token, err = l.dir.Control().SetTokenLimits(ctx, id, limits); err != nil {
		return Token{}, err
	}
	return l.describeToken(token), nil
}

// RevokeToken implements Operations.
func (l *Local) RevokeToken(ctx context.Context, id string) (Token, error) {
	token, err := l.dir.Control().RevokeToken(ctx, id)
	if err != nil {
		return Token{}, err
	}
	return l.describeToken(token), nil
}

// Keys implements Operations.
func (l *Local) Keys(context.Context) ([]Key, error) {
	return describeKeys(l.dir.Control().Keys()), nil
}

// RotateKeys implements Operations.
func (l *Local) RotateKeys(ctx context.Context, rotate RotateKeys) ([]Key, error) {
	keys, err := l.dir.RotateKeys(ctx, rotate.DropOld)
	if err != nil {
		return nil, err
	}
	return describeKeys(keys), nil
}

// PublicKeys implements Operations.
func (l *Local) PublicKeys(context.Context) (json.RawMessage, error) {
	ring, err := auth.NewKeyRing(l.dir.Control().Keys())
	if err != nil {
		return nil, fmt.Errorf("signing keys: %w", err)
	}
	return json.Marshal(ring.PublicKeys(l.now()))
}

func (l *Local) find(nameOrID string) (control.Database, error) {
	database, found := l.dir.Control().FindDatabase(nameOrID)
	if !found {
		return control.Database{}, fmt.Errorf("%w: %q", control.ErrNoDatabase, nameOrID)
	}
	return database, nil
}

// validTokens counts the tokens that open a database now.
func (l *Local) validTokens(id uuid.UUID) (n int) {
	now := l.now()
	for _, token := range l.dir.Control().Tokens(id) {
		if token.RevokedAt.IsZero() && (token.ExpiresAt.IsZero() || now.Before(token.ExpiresAt)) {
			n++
		}
	}
	return n
}
