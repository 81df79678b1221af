package datadir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// databasePath is where the file of a database is.
func (d *Dir) databasePath(id uuid.UUID) string {
	return filepath.Join(d.path, databasesFolder, id.String()+databaseSuffix)
}

// openDatabase opens a database for the pool.
func (d *Dir) openDatabase(_ context.Context, id uuid.UUID) (kvconnect.Backend, error) {
	backend, err := d.openFile(id)
	if err != nil {
		d.diskFaults.note(id, err)
		return nil, err
	}
	return backend, nil
}

// openFile opens the file of a database. It must be there and hold it: one that is lost must
// not come back empty.
func (d *Dir) openFile(id uuid.UUID) (kvconnect.Backend, error) {
	database, known := d.control.Database(id.String())
	if !known {
		return nil, protocol.ErrUnknownDatabase
	}
	path := d.databasePath(id)
	if err := mustHold(path, id); err != nil {
		return nil, err
	}
	backend, err := sqlitebackend.Open(sqlitebackend.Options{
		Path: path, Durability: d.options.Durability, CacheBytes: cacheBytes,
		Logger: d.options.Logger.With("database_id", id.String()), Observer: d.options.Observer,
	})
	if err != nil {
		return nil, damagedOrUnavailable(err)
	}
	if backend.DatabaseID() != id { // it was replaced just now
		return nil, errors.Join(wrongDatabase(path, backend.DatabaseID()), backend.Close())
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	// Under mu, because a change of the limits may have found that it is not open.
	backend.SetMaxFileBytes(database.Meter.Limits().FileBytes)
	d.open[id] = backend
	return &openDatabase{Backend: backend, dir: d}, nil
}

// mustHold fails with protocol.ErrDamaged unless the file holds that database, and leaves the
// file as it is: to open it for writing would make an empty database of an empty file.
func mustHold(path string, id uuid.UUID) error {
	held, found, err := sqlitebackend.ReadDatabaseID(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: its file %s is missing", protocol.ErrDamaged, path)
	case err != nil:
		return damagedOrUnavailable(err)
	case !found:
		return fmt.Errorf("%w: its file %s holds a database without an id", protocol.ErrDamaged, path)
	case held != id:
		return wrongDatabase(path, held)
	default:
		return nil
	}
}

func wrongDatabase(path string, held uuid.UUID) error {
	return fmt.Errorf("%w: its file %s holds the database %s", protocol.ErrDamaged, path, held)
}

func damagedOrUnavailable(err error) error {
	if sqlitebackend.IsDamage(err) {
		return fmt.Errorf("%w: %w", protocol.ErrDamaged, err)
	}
	if cause := sqlitebackend.DiskError(err); cause != nil {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return fmt.Errorf("%w: %w", protocol.ErrUnavailable, err)
}

// openDatabase is a Backend that the folder knows to be open.
type openDatabase struct {
	*sqlitebackend.Backend
	dir *Dir
}

// Close implements kvconnect.Backend.
func (o *openDatabase) Close() error {
	o.dir.mu.Lock()
	delete(o.dir.open, o.DatabaseID())
	o.dir.mu.Unlock()
	return o.Backend.Close()
}

// opened gives a database if it is open.
func (d *Dir) opened(id uuid.UUID) (*sqlitebackend.Backend, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	backend, isOpen := d.open[id]
	return backend, isOpen
}

// OpenDatabases gives the databases that are open now, in no order. It counts as no use of
// them: each may be closed at any time.
func (d *Dir) OpenDatabases() []*sqlitebackend.Backend {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Values(d.open))
}

// Stats gives what a database holds.
func (d *Dir) Stats(ctx context.Context, id uuid.UUID) (stats sqlitebackend.Stats, path string, err error) {
	database, err := d.pool.Lend(ctx, id)
	if err != nil {
		return sqlitebackend.Stats{}, "", err
	}
	defer database.Release()
	backend, isOpen := d.opened(id)
	if !isOpen {
		return sqlitebackend.Stats{}, "", protocol.ErrClosed
	}
	stats, err = backend.Stats(ctx)
	return stats, backend.Path(), err
}
