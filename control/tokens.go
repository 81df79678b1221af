package control

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
)

// Tokens gives the access tokens of a database, or of all of them for uuid.Nil, in the
// order in which they were created. There are none of a database that does not exist.
func (s *Store) Tokens(databaseID uuid.UUID) []Token {
	s.mu.RLock()
	var numbered []token
	for _, d := range s.mirror.databases {
		if databaseID != uuid.Nil && d.ID != databaseID {
			continue
		}
		for _, t := range d.tokens {
			numbered = append(numbered, *t)
		}
	}
	s.mu.RUnlock()
	slices.SortFunc(numbered, func(a, b token) int { return cmp.Compare(a.number, b.number) })
	tokens := make([]Token, len(numbered))
	for i := range numbered {
		tokens[i] = numbered[i].current()
	}
	return tokens
}

// FindToken gives the access token with that id. It fails with ErrNoToken.
func (s *Store) FindToken(id string) (Token, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t, found := s.mirror.tokens[id]
	if !found {
		return Token{}, fmt.Errorf("%w: %q", ErrNoToken, id)
	}
	return t.current(), nil
}

// CreateToken adds an access token, and gives it with its new id. It fails with
// access.ErrUnknownScope, ErrInvalidNote, ErrInvalidExpiry, access.ErrInvalidLimits,
// ErrNoDatabase and ErrTokenExists.
func (s *Store) CreateToken(ctx context.Context, n NewToken) (Token, error) {
	created, err := s.createToken(ctx, n)
	if err != nil {
		return Token{}, fmt.Errorf("create access token: %w", err)
	}
	return created, nil
}

func (s *Store) createToken(ctx context.Context, n NewToken) (Token, error) {
	if err := n.validate(); err != nil {
		return Token{}, err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	t := Token{
		DatabaseID: n.DatabaseID, Scope: n.Scope, Note: n.Note, Limits: n.Limits,
		CreatedAt: storedTime(s.now()), ExpiresAt: storedTime(n.ExpiresAt),
	}
	d, found := s.mirror.databases[n.DatabaseID]
	if !found {
		return Token{}, ErrNoDatabase
	}
	if _, exists := s.mirror.grantByHash(n.Hash); exists {
		return Token{}, ErrTokenExists
	}
	for exists := true; exists; {
		t.ID = newTokenID()
		_, exists = s.mirror.grantsByID[t.ID]
	}
	var number int64
	err := s.transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `insert into tokens
			(id, hash, database_id, scope, note, created_at_ms, expires_at_ms, requests_per_second, watches)
			values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)`,
			t.ID, n.Hash[:], t.DatabaseID.String(), string(t.Scope), t.Note, t.CreatedAt.UnixMilli(), msOrNull(t.ExpiresAt),
			t.Limits.RequestsPerSecond, t.Limits.Watches)
		if err != nil {
			return err
		}
		number, err = result.LastInsertId()
		return err
	})
	if err != nil {
		return Token{}, err
	}
	s.show(func(m *mirror) { m.addToken(d, t, number, n.Hash) })
	return t, nil
}

// RevokeToken ends an access token for good: first in the file, and then for everybody who
// holds its grant. It gives the token as it is then; one that was revoked before stays as it
// is. It fails with ErrNoToken, and with ErrRevocationNotKept if it cannot be written: a
// token that may be in the wrong hands is not served because of a full disk.
func (s *Store) RevokeToken(ctx context.Context, id string) (Token, error) {
	revoked, err := s.revokeToken(ctx, id)
	if err != nil {
		return Token{}, fmt.Errorf("revoke access token %q: %w", id, err)
	}
	return revoked, nil
}

func (s *Store) revokeToken(ctx context.Context, id string) (Token, error) {
	now := storedTime(s.now())
	revoked, err := s.changeToken(ctx, id, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "update tokens set revoked_at_ms = ?2 where id = ?1 and revoked_at_ms is null",
			id, now.UnixMilli())
		return err
	}, func(t *token) {
		if t.RevokedAt.IsZero() {
			t.RevokedAt = now
		}
	})
	switch grant, found := s.GrantByID(id); {
	case err == nil:
		revoked.grant.Revoke()
		return revoked.current(), nil
	case !found, ctx.Err() != nil, errors.Is(err, ErrNoToken), errors.Is(err, ErrClosed):
		return Token{}, err
	default:
		grant.Revoke()
		return Token{}, fmt.Errorf("%w: %w", ErrRevocationNotKept, err)
	}
}

// SetTokenLimits changes the limits of an access token, at once for everybody who comes with
// it, and gives the token with them. It fails with access.ErrInvalidLimits and ErrNoToken.
func (s *Store) SetTokenLimits(ctx context.Context, id string, limits access.Limits) (Token, error) {
	changed, err := s.setTokenLimits(ctx, id, limits)
	if err != nil {
		return Token{}, fmt.Errorf("set the limits of access token %q: %w", id, err)
	}
	return changed, nil
}

func (s *Store) setTokenLimits(ctx context.Context, id string, limits access.Limits) (Token, error) {
	if err := validateTokenLimits(limits); err != nil {
		return Token{}, err
	}
	changed, err := s.changeToken(ctx, id, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "update tokens set requests_per_second = ?2, watches = ?3 where id = ?1",
			id, limits.RequestsPerSecond, limits.Watches)
		return err
	}, func(t *token) {
		t.Limits = limits
		t.grant.Token.SetLimits(limits)
	})
	if err != nil {
		return Token{}, err
	}
	return changed.current(), nil
}

// changeToken changes a token in the file with write and then in the mirror with show, and
// gives a copy of it as it is then.
func (s *Store) changeToken(ctx context.Context, id string, write func(context.Context, *sql.Tx) error,
	show func(*token),
) (token, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	t, found := s.mirror.tokens[id]
	if !found {
		return token{}, ErrNoToken
	}
	if err := s.transact(ctx, write); err != nil {
		return token{}, err
	}
	s.show(func(*mirror) { show(t) })
	return *t, nil
}
