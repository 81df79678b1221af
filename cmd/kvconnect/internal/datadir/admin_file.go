package datadir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// adminFile is where a server says how to reach it.
const adminFile = "admin.json"

// AdminAccess is how the server on a folder is reached by an operator.
type AdminAccess struct {
	URL   string `json:"url"`
	Token string `json:"token"`
}

// ErrNoAdmin is returned where no server has said how to reach it.
var ErrNoAdmin = errors.New("the server on the data folder has no admin listener")

// WriteAdminAccess leaves word in the folder, for its owner alone, of how to reach the server
// that has it open. remove takes it back, and does nothing if somebody else has.
func (d *Dir) WriteAdminAccess(access AdminAccess) (remove func() error, err error) {
	data, err := json.MarshalIndent(access, "", "  ")
	if err == nil {
		// Whole or not at all: somebody may be looking for it.
		err = writeFile(filepath.Join(d.path, adminFile), append(data, '\n'))
	}
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", adminFile, err)
	}
	return d.removeAdminAccess, nil
}

// removeAdminAccess removes what this server has written, or one that was killed.
func (d *Dir) removeAdminAccess() error { return removeFiles(filepath.Join(d.path, adminFile)) }

// ReadAdminAccess gives what the server on the folder at path has written. It fails with
// ErrNoAdmin if there is nothing.
func ReadAdminAccess(path string) (AdminAccess, error) {
	data, err := os.ReadFile(filepath.Join(path, adminFile))
	if errors.Is(err, fs.ErrNotExist) {
		return AdminAccess{}, ErrNoAdmin
	}
	if err != nil {
		return AdminAccess{}, err
	}
	var access AdminAccess
	if err := json.Unmarshal(data, &access); err != nil {
		return AdminAccess{}, fmt.Errorf("read %s: %w", adminFile, err)
	}
	return access, nil
}
