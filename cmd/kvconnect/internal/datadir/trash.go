package datadir

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

const (
	tombstoneSuffix = ".json"

	// tombstoneTime is how the name of a deleted database tells when it was deleted: one that
	// was adopted again may be deleted again.
	tombstoneTime = "20060102T150405.000Z"
)

// tombstone says of a deleted database what it was. It is written before anything is done,
// so that a deletion that was cut off is finished at the next start.
type tombstone struct {
	ID        uuid.UUID `json:"id"`
	Name      string    `json:"name"`
	DeletedAt time.Time `json:"deletedAt"` // to the millisecond
}

// newTombstone gives one that is not in the trash yet.
func (d *Dir) newTombstone(id uuid.UUID, name string) tombstone {
	stone := tombstone{ID: id, Name: name, DeletedAt: d.options.Now().UTC().Truncate(time.Millisecond)}
	for exists(d.tombstonePath(stone)) || exists(d.trashPath(stone)) {
		stone.DeletedAt = stone.DeletedAt.Add(time.Millisecond)
	}
	return stone
}

// fileName is that of its files in the trash, without what they end in.
func (s tombstone) fileName() string {
	return s.ID.String() + "-" + s.DeletedAt.UTC().Format(tombstoneTime)
}

func (d *Dir) tombstonePath(stone tombstone) string {
	return filepath.Join(d.path, trashFolder, stone.fileName()+tombstoneSuffix)
}

// trashPath is where the file of a deleted database is.
func (d *Dir) trashPath(stone tombstone) string {
	return filepath.Join(d.path, trashFolder, stone.fileName()+databaseSuffix)
}

func (d *Dir) writeTombstone(stone tombstone) error {
	data, err := json.MarshalIndent(stone, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(d.tombstonePath(stone), append(data, '\n'))
}

// moveToTrash moves the file of a database, and what a server that died may have left beside
// it, which comes first: without its file it is found again, the file without it is not whole.
func (d *Dir) moveToTrash(stone tombstone) error {
	from, to := d.databasePath(stone.ID), d.trashPath(stone)
	if err := removeFiles(from + "-shm"); err != nil { // an index of the WAL, made anew
		return err
	}
	for _, suffix := range []string{"-journal", "-wal", ""} {
		if !exists(from + suffix) {
			continue
		}
		if err := moveFile(from+suffix, to+suffix); err != nil {
			return err
		}
	}
	return nil
}

// finishDeletions does what is left of deletions that were cut off.
func (d *Dir) finishDeletions() error {
	stones, damaged, err := d.tombstones()
	if err != nil {
		return err
	}
	for _, path := range damaged {
		d.options.Logger.Warn("a file in the trash is damaged and left alone", "path", path)
	}
	// The newest first: a file that was not moved yet was deleted last.
	slices.SortFunc(stones, func(a, b tombstone) int { return b.DeletedAt.Compare(a.DeletedAt) })
	for _, stone := range stones {
		_, known := d.control.FindDatabase(stone.ID.String())
		var err error
		switch {
		case exists(d.trashPath(stone)):
		case known:
			err = removeFiles(d.tombstonePath(stone)) // it was not deleted after all
		default:
			err = d.moveToTrash(stone)
		}
		if err != nil {
			d.options.Logger.Error("a deletion is not finished", "database_id", stone.ID.String(), "error", err)
		}
	}
	return nil
}

// tombstones gives those in the trash, and the paths of those that make no sense.
func (d *Dir) tombstones() (stones []tombstone, damaged []string, err error) {
	entries, err := os.ReadDir(filepath.Join(d.path, trashFolder))
	if err != nil {
		return nil, nil, err
	}
	for _, entry := range entries {
		name, isTombstone := strings.CutSuffix(entry.Name(), tombstoneSuffix)
		if !isTombstone {
			continue
		}
		path := filepath.Join(d.path, trashFolder, entry.Name())
		var stone tombstone
		data, err := os.ReadFile(path)
		if err != nil || json.Unmarshal(data, &stone) != nil || stone.fileName() != name {
			damaged = append(damaged, path)
			continue
		}
		stones = append(stones, stone)
	}
	return stones, damaged, nil
}

// emptyTrash removes what was kept long enough.
func (d *Dir) emptyTrash() error {
	if err := d.beginChange(); err != nil {
		return err
	}
	defer d.changing.Unlock()
	stones, _, err := d.tombstones()
	if err != nil {
		return err
	}
	var errs []error
	for _, stone := range stones {
		if d.options.Now().Before(stone.DeletedAt.Add(d.options.TrashRetention)) || d.isLost(stone.ID) {
			continue
		}
		path := d.trashPath(stone)
		// The tombstone goes last: without it, nobody would come for what is left.
		if err := removeFiles(path+"-journal", path+"-wal", path+"-shm", path, d.tombstonePath(stone)); err != nil {
			errs = append(errs, err)
			continue
		}
		d.options.Logger.Info("deleted database removed from the trash", "database_id", stone.ID.String())
	}
	return errors.Join(errs...)
}

// isLost tells whether there is a database without its file, as when an old copy of the
// control database was restored. What the trash has of it may be all that there is.
func (d *Dir) isLost(id uuid.UUID) bool {
	_, known := d.control.FindDatabase(id.String())
	return known && !exists(d.databasePath(id))
}
