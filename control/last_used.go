package control

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// FlushLastUsed writes when access tokens were used last, where that has changed. Until then
// a crash makes the server forget it. To call it every minute or so is often enough.
func (s *Store) FlushLastUsed(ctx context.Context) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.flushLastUsed(ctx); err != nil {
		return fmt.Errorf("write when access tokens were used: %w", err)
	}
	return nil
}

// flushLastUsed is called by who holds writing.
func (s *Store) flushLastUsed(ctx context.Context) error {
	used := make(map[*token]time.Time)
	for _, t := range s.mirror.tokens {
		if lastUsedAt := t.current().LastUsedAt; !lastUsedAt.Equal(t.LastUsedAt) {
			used[t] = lastUsedAt
		}
	}
	if len(used) == 0 {
		return nil
	}
	err := s.transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
		update, err := tx.PrepareContext(ctx, "update tokens set last_used_at_ms = ?2 where number = ?1")
		if err != nil {
			return err
		}
		defer func() { _ = update.Close() }() // the transaction ends, whatever it says
		for t, lastUsedAt := range used {
			if _, err := update.ExecContext(ctx, t.number, lastUsedAt.UnixMilli()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.show(func(*mirror) {
		for t, lastUsedAt := range used {
			t.LastUsedAt = lastUsedAt
		}
	})
	return nil
}
