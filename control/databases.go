package control

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
)

// Databases gives all databases, ordered by name.
func (s *Store) Databases() []Database {
	s.mu.RLock()
	databases := make([]Database, 0, len(s.mirror.databases))
	for _, d := range s.mirror.databases {
		databases = append(databases, d.Database)
	}
	s.mu.RUnlock()
	slices.SortFunc(databases, func(a, b Database) int { return cmp.Compare(a.Name, b.Name) })
	return databases
}

// FindDatabase gives the database with that name or id.
func (s *Store) FindDatabase(nameOrID string) (Database, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	d, found := s.mirror.find(nameOrID)
	if !found {
		return Database{}, false
	}
	return d.Database, true
}

// CheckNewDatabase tells whether CreateDatabase would fail with ErrInvalidName,
// ErrDatabaseExists or ErrNameTaken now. An id of zero stands for a new one.
func (s *Store) CheckNewDatabase(id uuid.UUID, name string) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.mirror.checkNew(id, name); err != nil {
		return fmt.Errorf("create database %q: %w", name, err)
	}
	return nil
}

func (m *mirror) checkNew(id uuid.UUID, name string) error {
	if err := validateName(name); err != nil {
		return err
	}
	if _, exists := m.databases[id]; exists {
		return fmt.Errorf("%w: %s", ErrDatabaseExists, id)
	}
	if _, taken := m.names[name]; taken {
		return ErrNameTaken
	}
	return nil
}

// CreateDatabase adds a database: with the id it is given, or a new one if that is zero. It
// gives the database as it was added, CreatedAt being the time of that. It fails with
// ErrInvalidName, access.ErrInvalidLimits, ErrDatabaseExists and ErrNameTaken.
func (s *Store) CreateDatabase(ctx context.Context, d Database) (Database, error) {
	created, err := s.createDatabase(ctx, d)
	if err != nil {
		return Database{}, fmt.Errorf("create database %q: %w", d.Name, err)
	}
	return created, nil
}

func (s *Store) createDatabase(ctx context.Context, d Database) (Database, error) {
	if d.ID == uuid.Nil {
		d.ID = uuid.New()
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	d.CreatedAt = storedTime(s.now())
	err := cmp.Or(validateName(d.Name), d.Limits.Validate(), s.mirror.checkNew(d.ID, d.Name))
	if err != nil {
		return Database{}, err
	}
	err = s.transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `insert into databases (id, name, created_at_ms, requests_per_second, watches, file_bytes)
			values (?1, ?2, ?3, ?4, ?5, ?6)`,
			d.ID.String(), d.Name, d.CreatedAt.UnixMilli(), d.Limits.RequestsPerSecond, d.Limits.Watches, d.Limits.FileBytes)
		return err
	})
	if err != nil {
		return Database{}, err
	}
	s.show(func(m *mirror) { m.addDatabase(d) })
	return d, nil
}

// RenameDatabase gives a database another name, and gives the database with it. Its tokens
// are valid as before. It fails with ErrInvalidName, ErrNoDatabase and ErrNameTaken.
func (s *Store) RenameDatabase(ctx context.Context, id uuid.UUID, name string) (Database, error) {
	renamed, err := s.renameDatabase(ctx, id, name)
	if err != nil {
		return Database{}, fmt.Errorf("rename database %s to %q: %w", id, name, err)
	}
	return renamed, nil
}

func (s *Store) renameDatabase(ctx context.Context, id uuid.UUID, name string) (Database, error) {
	if err := validateName(name); err != nil {
		return Database{}, err
	}
	return s.changeDatabase(ctx, id, func(ctx context.Context, tx *sql.Tx) error {
		if holder, taken := s.mirror.names[name]; taken && holder.ID != id {
			return ErrNameTaken
		}
		_, err := tx.ExecContext(ctx, "update databases set name = ?2 where id = ?1", id.String(), name)
		return err
	}, func(m *mirror, d *database) { m.renameDatabase(d, name) })
}

// SetDatabaseLimits changes the limits of a database, at once for everybody who uses it,
// and gives the database with them. It fails with access.ErrInvalidLimits and
// ErrNoDatabase.
func (s *Store) SetDatabaseLimits(ctx context.Context, id uuid.UUID, limits access.Limits) (Database, error) {
	changed, err := s.setDatabaseLimits(ctx, id, limits)
	if err != nil {
		return Database{}, fmt.Errorf("set the limits of database %s: %w", id, err)
	}
	return changed, nil
}

func (s *Store) setDatabaseLimits(ctx context.Context, id uuid.UUID, limits access.Limits) (Database, error) {
	if err := limits.Validate(); err != nil {
		return Database{}, err
	}
	return s.changeDatabase(ctx, id, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "update databases set requests_per_second = ?2, watches = ?3, file_bytes = ?4 where id = ?1",
			id.String(), limits.RequestsPerSecond, limits.Watches, limits.FileBytes)
		return err
	}, func(m *mirror, d *database) {
		d.Limits = limits
		d.meter.SetLimits(limits.Or(m.defaults))
	})
}

// changeDatabase changes a database in the file with write and then in the mirror with
// show, and gives it as it is then.
func (s *Store) changeDatabase(ctx context.Context, id uuid.UUID, write func(context.Context, *sql.Tx) error,
	show func(*mirror, *database),
) (Database, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	d, found := s.mirror.databases[id]
	if !found {
		return Database{}, ErrNoDatabase
	}
	if err := s.transact(ctx, write); err != nil {
		return Database{}, err
	}
	s.show(func(m *mirror) { show(m, d) })
	return d.Database, nil
}

// DeleteDatabase deletes what is known of a database and of its tokens, all of which are
// revoked with it, see the package comment. It fails with ErrNoDatabase. The file of the
// database is not touched.
func (s *Store) DeleteDatabase(ctx context.Context, id uuid.UUID) error {
	if err := s.deleteDatabase(ctx, id); err != nil {
		return fmt.Errorf("delete database %s: %w", id, err)
	}
	return nil
}

func (s *Store) deleteDatabase(ctx context.Context, id uuid.UUID) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	d, found := s.mirror.databases[id]
	if !found {
		return ErrNoDatabase
	}
	err := s.transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `insert into deleted_tokens (id, hash, database_id, deleted_at_ms)
			select id, hash, database_id, ?2 from tokens where database_id = ?1`, id.String(), s.now().UnixMilli())
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "delete from tokens where database_id = ?1", id.String()); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "delete from databases where id = ?1", id.String())
		return err
	})
	if err != nil {
		return err
	}
	s.show(func(m *mirror) { m.deleteDatabase(d) })
	for _, t := range d.tokens {
		t.grant.Revoke()
	}
	return nil
}
