package datadir

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/control"
)

// Deleted is a deleted database.
type Deleted struct {
	Database  control.Database
	Path      string // of its file
	KeptUntil time.Time
}

// DeleteDatabase ends a database: its tokens are revoked, its watches end, its file goes to
// the trash. Once it is deleted from the control database, the end of ctx does not keep it
// from the rest.
func (d *Dir) DeleteDatabase(ctx context.Context, id uuid.UUID) (Deleted, error) {
	if err := d.beginChange(); err != nil {
		return Deleted{}, err
	}
	defer d.changing.Unlock()
	database, found := d.control.FindDatabase(id.String())
	if !found {
		return Deleted{}, control.ErrNoDatabase
	}
	stone := d.newTombstone(id, database.Name)
	if err := d.writeTombstone(stone); err != nil {
		return Deleted{}, fmt.Errorf("delete database: %w", err)
	}
	if err := d.control.DeleteDatabase(ctx, id); err != nil {
		return Deleted{}, errors.Join(err, removeFiles(d.tombstonePath(stone)))
	}
	if authority := d.authority.Load(); authority != nil {
		authority.ForgetDatabase(id)
	}
	if err := d.pool.Forget(context.WithoutCancel(ctx), id); err != nil {
		// What it could not write back is beside the file, and goes with it.
		d.options.Logger.Error("a deleted database was not closed in order", "database_id", id.String(), "error", err)
	}
	if err := d.moveToTrash(stone); err != nil {
		return Deleted{}, fmt.Errorf("the database is deleted, but its file stays where it is until the next start: %w", err)
	}
	return Deleted{Database: database, Path: d.trashPath(stone), KeptUntil: stone.DeletedAt.Add(d.options.TrashRetention)}, nil
}
