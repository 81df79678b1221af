package sqlitebackend

import (
	"errors"
	"io/fs"
	"os"

	"github.com/mattn/go-sqlite3"
)

// refuse fails for a file that cannot be served, and leaves it and what is beside it
// as they were. To find that out while opening it would be too late: a connection
// that writes moves the WAL into the file when it is closed, and one that only reads
// leaves a WAL behind that it may not remove.
func refuse(path string, readOnly bool) error {
	if !readOnly {
		if err := permitsWriting(path); err != nil {
			return err
		}
	}
	mode := "ro"
	if isAbsent(path+"-wal") && isAbsent(path+"-journal") {
		mode = immutableMode // nobody is writing to it, and all of it is in the one file
	}
	c, err := openConn(path, mode, busyTimeout)
	if err == nil {
		if readOnly {
			_, err = inspect(c, path)
		} else {
			_, err = usableVersion(c)
		}
		err = errors.Join(err, c.close())
	}
	if errors.Is(err, ErrSchema) || isSQLiteError(err, sqlite3.ErrNotADB) || isSQLiteError(err, sqlite3.ErrCorrupt) {
		return err
	}
	return nil // the file is not there yet, or opening it fails again, with what there is to say
}

// permitsWriting fails for a file that this user may not write to. SQLite would open
// it for reading.
func permitsWriting(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err == nil {
		return file.Close()
	}
	if errors.Is(err, fs.ErrPermission) {
		return fs.ErrPermission // without the path, which the caller names
	}
	return nil // as in refuse
}

func isAbsent(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}
