package datadir

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
)

// compareWithControl tells of files that belong to no database, and of databases without a
// file. Neither keeps the others from being served, and nothing is removed.
func (d *Dir) compareWithControl() error {
	folder := filepath.Join(d.path, databasesFolder)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	there := make(map[string]bool, len(entries))
	for _, entry := range entries {
		name, isDatabase := strings.CutSuffix(entry.Name(), databaseSuffix)
		if !isDatabase {
			continue
		}
		there[name] = true
		// The name of a file is an id and nothing else.
		id, err := uuid.Parse(name)
		_, known := d.control.FindDatabase(id.String())
		if err != nil || id.String() != name || !known {
			d.options.Logger.Warn("a file belongs to no database: adopt or remove it", "path", filepath.Join(folder, entry.Name()))
		}
	}
	for _, database := range d.control.Databases() {
		if !there[database.ID.String()] {
			d.options.Logger.Error("the file of a database is missing: restore it from a backup, or look in the trash",
				"database_id", database.ID.String(), "path", d.databasePath(database.ID))
		}
	}
	return nil
}
