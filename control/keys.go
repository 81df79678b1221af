package control

import (
	"context"
	"crypto/ed25519"
	"database/sql"
	"fmt"

	"github.com/kvconnect/kvconnect/auth"
)

// Keys gives the signing keys in the order in which they were saved.
func (s *Store) Keys() []auth.Key {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return cloneKeys(s.mirror.keys)
}

// SaveKeys puts these signing keys, all with an id of their own, in the place of those that
// there are. It fails with ErrInvalidKeys.
func (s *Store) SaveKeys(ctx context.Context, keys []auth.Key) error {
	if err := s.saveKeys(ctx, keys); err != nil {
		return fmt.Errorf("save signing keys: %w", err)
	}
	return nil
}

func (s *Store) saveKeys(ctx context.Context, keys []auth.Key) error {
	if err := validateKeys(keys); err != nil {
		return err
	}
	keys = cloneKeys(keys)
	for i := range keys {
		keys[i].CreatedAt, keys[i].RetiredAt = storedTime(keys[i].CreatedAt), storedTime(keys[i].RetiredAt)
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	err := s.transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "delete from signing_keys"); err != nil {
			return err
		}
		for i, key := range keys {
			_, err := tx.ExecContext(ctx, `insert into signing_keys (number, id, seed, created_at_ms, retired_at_ms)
				values (?1, ?2, ?3, ?4, ?5)`,
				i+1, key.ID, key.Private.Seed(), key.CreatedAt.UnixMilli(), msOrNull(key.RetiredAt))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.show(func(m *mirror) { m.keys = keys })
	return nil
}

func validateKeys(keys []auth.Key) error {
	known := make(map[string]bool)
	for i, key := range keys {
		switch {
		case key.ID == "":
			return fmt.Errorf("%w: number %d has no id", ErrInvalidKeys, i+1)
		case known[key.ID]:
			return fmt.Errorf("%w: two have the id %q", ErrInvalidKeys, key.ID)
		case len(key.Private) != ed25519.PrivateKeySize || !ed25519.NewKeyFromSeed(key.Private.Seed()).Equal(key.Private):
			return fmt.Errorf("%w: %q is not an Ed25519 private key", ErrInvalidKeys, key.ID)
		}
		known[key.ID] = true
	}
	return nil
}
