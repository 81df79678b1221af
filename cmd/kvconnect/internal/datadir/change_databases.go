package datadir

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/control"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// beginChange takes changing, unless the folder is closed: another process may have it then.
func (d *Dir) beginChange() error {
	d.changing.Lock()
	if d.isClosed {
		d.changing.Unlock()
		return control.ErrClosed
	}
	return nil
}

// CreateDatabase makes a new database. Its file comes before its entry in the control
// database: a file that nobody knows is a small loss, an entry without a file a great one.
func (d *Dir) CreateDatabase(ctx context.Context, name string, limits access.Limits) (control.Database, error) {
	if err := d.beginChange(); err != nil {
		return control.Database{}, err
	}
	defer d.changing.Unlock()
	if err := d.control.CheckNewDatabase(uuid.Nil, name); err != nil {
		return control.Database{}, err
	}
	id := uuid.New()
	path := d.databasePath(id)
	backend, err := sqlitebackend.Open(sqlitebackend.Options{Path: path, NewDatabaseID: id, Logger: d.options.Logger})
	if err == nil {
		// As an adopted one is; what SQLite puts beside it follows.
		err = errors.Join(backend.Close(), os.Chmod(path, 0o600))
	}
	if err != nil {
		return control.Database{}, errors.Join(err, d.removeDatabaseFiles(id))
	}
	database, err := d.control.CreateDatabase(ctx, control.Database{ID: id, Name: name, Limits: limits})
	if err != nil {
		return control.Database{}, errors.Join(err, d.removeDatabaseFiles(id))
	}
	return database, nil
}

// removeDatabaseFiles undoes the making of a database.
func (d *Dir) removeDatabaseFiles(id uuid.UUID) error {
	path := d.databasePath(id)
	return removeFiles(path+"-journal", path+"-wal", path+"-shm", path)
}

// SetDatabaseLimits changes the limits of a database, which hold at once.
func (d *Dir) SetDatabaseLimits(ctx context.Context, id uuid.UUID, limits access.Limits) (control.Database, error) {
	database, err := d.control.SetDatabaseLimits(ctx, id, limits)
	if err != nil {
		return control.Database{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if backend, isOpen := d.open[id]; isOpen {
		if known, found := d.control.Database(id.String()); found {
			// Of changes at the same time the one that the control database has.
			backend.SetMaxFileBytes(known.Meter.Limits().FileBytes)
		}
	}
	return database, nil
}

// OnKeysDropped has f called when keys were dropped, for what was opened with tokens that
// they signed. f must not wait.
func (d *Dir) OnKeysDropped(f func()) { d.keysDropped.Store(&f) }

// RotateKeys has data path tokens signed by a new key from now on. Those that are out stay
// valid, unless the old keys are to be dropped.
func (d *Dir) RotateKeys(ctx context.Context, dropOld bool) ([]auth.Key, error) {
	if err := d.beginChange(); err != nil {
		return nil, err
	}
	defer d.changing.Unlock()
	now := d.options.Now()
	keys := auth.Rotate(d.control.Keys(), now, dropOld)
	ring, err := auth.NewKeyRing(keys)
	if err == nil {
		err = d.control.SaveKeys(ctx, keys)
	}
	if err != nil {
		return nil, fmt.Errorf("rotate keys: %w", err)
	}
	if authority := d.authority.Load(); authority != nil {
		authority.SetKeys(ring)
	}
	if dropped := d.keysDropped.Load(); dropOld && dropped != nil {
		(*dropped)()
	}
	return keys, nil
}
