package control

import (
	"context"
	"crypto/ed25519"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/auth"
	"github.com/mattn/go-sqlite3"
)

// load reads everything. What makes no sense fails with ErrDamaged: to leave out a token
// that was revoked, or a database, could not be noticed in time.
func load(ctx context.Context, conn *sql.Conn, defaults access.Limits) (mirror, error) {
	m := newMirror(defaults)
	for _, part := range []struct {
		name  string
		query string
		add   func(m *mirror, scan func(...any) error) error
	}{
		{"databases", "select id, name, created_at_ms, requests_per_second, watches, file_bytes from databases", loadDatabase},
		{"access tokens", `select number, id, hash, database_id, scope, note, created_at_ms, expires_at_ms, revoked_at_ms,
			last_used_at_ms, requests_per_second, watches from tokens order by number`, loadToken},
		{"deleted access tokens", "select id, hash, database_id from deleted_tokens", loadDeletedToken},
		{"signing keys", "select id, seed, created_at_ms, retired_at_ms from signing_keys order by number", loadKey},
	} {
		err := eachRow(ctx, conn, part.query, func(scan func(...any) error) error { return part.add(&m, scan) })
		if err != nil {
			return mirror{}, fmt.Errorf("read the %s: %w", part.name, err)
		}
	}
	return m, nil
}

func eachRow(ctx context.Context, conn *sql.Conn, query string, add func(scan func(...any) error) error) (err error) {
	rows, err := conn.QueryContext(ctx, query)
	if err != nil {
		if isSQLiteError(err, sqlite3.ErrError) { // a table or a column that there should be
			err = fmt.Errorf("%w (%w)", ErrDamaged, err)
		}
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := add(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

func loadDatabase(m *mirror, scan func(...any) error) error {
	var d Database
	var id string
	var createdAtMs int64
	err := scan(&id, &d.Name, &createdAtMs, &d.Limits.RequestsPerSecond, &d.Limits.Watches, &d.Limits.FileBytes)
	if err != nil {
		return err
	}
	d.CreatedAt = timeOfMs(createdAtMs)
	d.ID, err = uuid.Parse(id)
	if err = errors.Join(err, validateName(d.Name), d.Limits.Validate()); err != nil {
		return fmt.Errorf("%w: database %q: %w", ErrDamaged, id, err)
	}
	m.addDatabase(d)
	return nil
}

func loadToken(m *mirror, scan func(...any) error) error {
	var t Token
	var number, createdAtMs int64
	var expiresAtMs, revokedAtMs, lastUsedAtMs sql.Null[int64]
	var hash []byte
	var databaseID, scope string
	err := scan(&number, &t.ID, &hash, &databaseID, &scope, &t.Note, &createdAtMs, &expiresAtMs, &revokedAtMs,
		&lastUsedAtMs, &t.Limits.RequestsPerSecond, &t.Limits.Watches)
	if err != nil {
		return err
	}
	t.CreatedAt, t.ExpiresAt = timeOfMs(createdAtMs), timeOfMsOrNull(expiresAtMs)
	t.RevokedAt, t.LastUsedAt = timeOfMsOrNull(revokedAtMs), timeOfMsOrNull(lastUsedAtMs)
	var idErr, scopeErr error
	t.DatabaseID, idErr = uuid.Parse(databaseID)
	t.Scope, scopeErr = access.ParseScope(scope)
	d, found := m.databases[t.DatabaseID]
	if !found {
		idErr = errors.Join(idErr, ErrNoDatabase)
	}
	if err := errors.Join(idErr, scopeErr, validateHash(hash), validateTokenLimits(t.Limits)); err != nil {
		return fmt.Errorf("%w: access token %q: %w", ErrDamaged, t.ID, err)
	}
	m.addToken(d, t, number, auth.AccessTokenHash(hash))
	return nil
}

func loadDeletedToken(m *mirror, scan func(...any) error) error {
	var id, databaseID string
	var hash []byte
	if err := scan(&id, &hash, &databaseID); err != nil {
		return err
	}
	database, err := uuid.Parse(databaseID)
	if err = errors.Join(err, validateHash(hash)); err != nil {
		return fmt.Errorf("%w: access token %q: %w", ErrDamaged, id, err)
	}
	grant := &access.Grant{TokenID: id, DatabaseID: database}
	grant.Revoke()
	m.addGrant(grant, auth.AccessTokenHash(hash))
	return nil
}

func validateHash(hash []byte) error {
	if len(hash) != len(auth.AccessTokenHash{}) {
		return fmt.Errorf("its hash has %d bytes", len(hash))
	}
	return nil
}

func loadKey(m *mirror, scan func(...any) error) error {
	var key auth.Key
	var seed []byte
	var createdAtMs int64
	var retiredAtMs sql.Null[int64]
	if err := scan(&key.ID, &seed, &createdAtMs, &retiredAtMs); err != nil {
		return err
	}
	if len(seed) != ed25519.SeedSize {
		return fmt.Errorf("%w: the seed of key %q has %d bytes", ErrDamaged, key.ID, len(seed))
	}
	key.Private = ed25519.NewKeyFromSeed(seed)
	key.CreatedAt, key.RetiredAt = timeOfMs(createdAtMs), timeOfMsOrNull(retiredAtMs)
	m.keys = append(m.keys, key)
	return nil
}
