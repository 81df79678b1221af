package datadir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
)

// ControlPath is where the control database of the folder is.
func ControlPath(folder string) string { return filepath.Join(folder, controlFile) }

// AdminPath is where the server on the folder says how to reach it.
func AdminPath(folder string) string { return filepath.Join(folder, adminFile) }

// DatabasePath is where the folder has the file of a database.
func DatabasePath(folder string, id uuid.UUID) string {
	return filepath.Join(folder, databasesFolder, id.String()+databaseSuffix)
}

// Contents is what is in a folder beside its databases.
type Contents struct {
	// Strays are the paths of files among the databases that are of none.
	Strays []string
	// Drafts are the paths of files that were not finished, or are being made.
	Drafts []string
	// Trashed is how many deleted databases are kept, and TrashBytes what they take.
	Trashed    int
	TrashBytes int64
}

// ReadContents looks at the names of all files, and changes nothing. A folder that is not
// there has none.
func ReadContents(folder string, known []uuid.UUID) (contents Contents, err error) {
	ofADatabase := make(map[string]bool, len(known))
	for _, id := range known {
		ofADatabase[id.String()+databaseSuffix] = true
	}
	for _, name := range []string{"", databasesFolder, trashFolder} {
		entries, err := os.ReadDir(filepath.Join(folder, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return Contents{}, err
		}
		for _, entry := range entries {
			path := filepath.Join(folder, name, entry.Name())
			isDatabase := strings.HasSuffix(entry.Name(), databaseSuffix)
			switch {
			case entry.IsDir():
			case strings.HasPrefix(entry.Name(), draftPrefix):
				contents.Drafts = append(contents.Drafts, path)
			case name == databasesFolder && isDatabase && !ofADatabase[entry.Name()]:
				contents.Strays = append(contents.Strays, path)
			case name == trashFolder:
				contents.addTrash(entry, isDatabase)
			}
		}
	}
	return contents, nil
}

func (c *Contents) addTrash(entry fs.DirEntry, isDatabase bool) {
	if isDatabase {
		c.Trashed++
	}
	if info, err := entry.Info(); err == nil { // or it was removed just now
		c.TrashBytes += info.Size()
	}
}
