package sqlitebackend

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// The ways to use a file, as the system call access numbers them.
const (
	mayRead  = 4
	mayWrite = 2
)

// refuse fails for a file that cannot be served, and leaves it and what is beside it
// as they were. To find that out while opening it would be too late: a connection
// that writes moves the WAL into the file when it is closed, and one that only reads
// leaves a WAL behind that it may not remove. There are two exceptions, which are
// SQLite's: what a program that died in the middle of a transaction left in a journal
// is rolled back, and a WAL without shared memory gets a new file for it.
func refuse(path string, readOnly bool) error {
	if !readOnly {
		switch err := access(path, mayRead|mayWrite); {
		case errors.Is(err, fs.ErrPermission):
			return fs.ErrPermission // SQLite would open it for reading; the caller names the path
		case errors.Is(err, syscall.EROFS):
			return err
		}
	}
	c, err := openUntouched(path)
	if err == nil {
		if readOnly {
			_, err = inspect(c, path)
		} else {
			err = migratable(c)
		}
		err = errors.Join(err, c.close())
	}
	if IsDamage(err) {
		return err
	}
	return nil // the file is not there yet, or opening it fails again, with what there is to say
}

// openUntouched opens a file so that it is left as it was, with the exceptions above.
func openUntouched(path string) (*conn, error) {
	mode := "ro"
	if isAbsent(path+"-wal") && isAbsent(path+"-journal") {
		mode = immutableMode // nobody is writing to it, and all of it is in the one file
	}
	return openConn(path, mode, busyTimeout)
}

func isAbsent(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}
