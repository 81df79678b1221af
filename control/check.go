package control

import (
	"context"
	"fmt"
	"os"
)

// Check reads from the file, and fails if that fails, or if the file is not where it was
// opened. It does not wait for a change that is under way, but looks only whether the file
// is there: whoever makes the change learns of the rest. For a Check that is under way it
// waits, so that none succeeds on a disk that does not answer; if ctx ends first, the error
// is ctx's.
func (s *Store) Check(ctx context.Context) error {
	if err := s.check(ctx); err != nil {
		return fmt.Errorf("check control database: %w", err)
	}
	return nil
}

// mustBeInPlace fails with ErrMoved unless the file is where it was opened. SQLite would go on
// writing to one that nobody finds again.
func (s *Store) mustBeInPlace() error {
	info, err := os.Stat(s.path)
	switch {
	case err != nil:
		return fmt.Errorf("%w (%w)", ErrMoved, err)
	case !os.SameFile(info, s.info):
		return ErrMoved
	}
	return nil
}

func (s *Store) check(ctx context.Context) error {
	if err := s.mustBeInPlace(); err != nil {
		return err
	}
	select {
	case s.checking <- struct{}{}:
		defer func() { <-s.checking }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if !s.writing.TryLock() {
		return nil
	}
	defer s.writing.Unlock()
	if s.conn == nil {
		return ErrClosed
	}
	// Nobody else can change the file, so SQLite would read only what it has forgotten.
	if _, err := s.conn.ExecContext(ctx, "pragma shrink_memory"); err != nil {
		return explain(err)
	}
	var n int64
	return explain(s.conn.QueryRowContext(ctx, "select count(*) from databases").Scan(&n))
}
