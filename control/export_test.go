package control

import (
	"context"
	"fmt"

	"github.com/mattn/go-sqlite3"
)

// HoldCheck keeps a Check under way until release is called.
func (s *Store) HoldCheck() (release func()) {
	s.checking <- struct{}{}
	s.writing.Lock()
	return func() {
		s.writing.Unlock()
		<-s.checking
	}
}

// Exec runs SQL on the connection of the store.
func (s *Store) Exec(ctx context.Context, query string) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	_, err := s.conn.ExecContext(ctx, query)
	return err
}

// Pragma gives a setting of the connection of the store.
func (s *Store) Pragma(ctx context.Context, name string) (value string, err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	err = s.conn.QueryRowContext(ctx, "pragma "+name).Scan(&value)
	return value, err
}

// OnCommit has hook called amid every commit that changes something, which fails if it
// gives false.
func (s *Store) OnCommit(hook func() bool) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.conn.Raw(func(driverConn any) error {
		conn, ok := driverConn.(*sqlite3.SQLiteConn)
		if !ok {
			return fmt.Errorf("the SQLite driver gave a %T", driverConn)
		}
		conn.RegisterCommitHook(func() int {
			if hook() {
				return 0
			}
			return 1
		})
		return nil
	})
}
