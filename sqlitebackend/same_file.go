package sqlitebackend

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// errMoved: SQLite would open another file, or read a WAL that is not this file's.
var errMoved = errors.New("the file was moved, removed or replaced while it was open: put it back, or restart the server")

// sameFile opens further connections to a file that is open already, and none to a
// file that has taken its place since.
type sameFile struct {
	path string
	info fs.FileInfo
}

// sameFileAs is for the file at path, which must be open.
func sameFileAs(path string) (sameFile, error) {
	info, err := os.Stat(path)
	return sameFile{path: path, info: info}, err
}

// open fails with errMoved if the file is not there any more.
func (f sameFile) open(mode string, pragmas ...string) (*conn, error) {
	c, err := openConn(f.path, mode, pragmas...)
	info, statErr := os.Stat(f.path)
	switch {
	case errors.Is(statErr, fs.ErrNotExist), statErr == nil && !os.SameFile(f.info, info):
		statErr = errMoved
	case statErr == nil && err == nil:
		return c, nil
	}
	if err == nil {
		err = c.close()
	}
	return nil, fmt.Errorf("open %s once more: %w", f.path, errors.Join(statErr, err))
}
