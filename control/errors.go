package control

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/mattn/go-sqlite3"
)

var (
	// ErrInUse is returned by Open for a file that another Store has open.
	ErrInUse = errors.New("another process, perhaps a server, has the control database open: stop it")
	// ErrUnusable is returned by Open for a file that is no control database, one of a newer
	// version, or one that others than its owner may read.
	ErrUnusable = errors.New("the control database cannot be used")
	// ErrDamaged is returned for a file whose content makes no sense.
	ErrDamaged = errors.New("the control database is damaged; restore it from a backup")
	// ErrMoved is returned for a change, which is not made, and by Check.
	ErrMoved = errors.New("the control database was moved, removed or replaced while the server had it open: put it back, or restart the server")
	// ErrClosed is returned for a change after Close.
	ErrClosed = errors.New("the control database is closed")

	// ErrInvalidName is returned for a name that no database can have.
	ErrInvalidName = errors.New("the name of a database has 1 to 63 characters of a-z, 0-9, '.', '_' and '-', " +
		"begins with a letter or a digit, and does not look like a UUID")
	// ErrNameTaken is returned for the name of another database.
	ErrNameTaken = errors.New("another database has this name; choose another name, or rename that database first")
	// ErrDatabaseExists is returned for the id of a database that is there already.
	ErrDatabaseExists = errors.New("a database with this id is there already")
	// ErrNoDatabase is returned for the id of a database that is not there.
	ErrNoDatabase = errors.New("there is no such database")

	// ErrNoToken is returned for the id of an access token that is not there.
	ErrNoToken = errors.New("there is no such access token")
	// ErrRevocationNotKept is returned where an access token is refused from now on, and will
	// not be after the next Open.
	ErrRevocationNotKept = errors.New("the access token is refused from now on, but that could not be written down: " +
		"it is valid again after a restart, so revoke it once more")
	// ErrTokenExists is returned for the hash of an access token that is known, even if it
	// was revoked or its database deleted.
	ErrTokenExists = errors.New("this access token is known already; generate another one")
	// ErrInvalidNote is returned for a note that cannot be shown in a line.
	ErrInvalidNote = fmt.Errorf("a note has at most %d characters, none of them a control character", MaxNoteCharacters)
	// ErrInvalidExpiry is returned for an expiry that cannot be written down.
	ErrInvalidExpiry = errors.New("an access token expires in a year from 1970 to 9999")

	// ErrInvalidKeys is returned for signing keys that cannot be kept.
	ErrInvalidKeys = errors.New("unusable signing keys")
)

// explain adds what to do to the errors of SQLite that an operator meets.
func explain(err error) error {
	var sqliteErr sqlite3.Error
	errors.As(err, &sqliteErr)
	switch {
	case sqliteErr.ExtendedCode == sqlite3.ErrReadonlyDbMoved:
		return fmt.Errorf("%w (%w)", ErrMoved, err)
	case sqliteErr.ExtendedCode == sqlite3.ErrReadonlyRollback:
		return fmt.Errorf("%w: a program died in the middle of a change; start the server once, which undoes it (%w)", ErrUnusable, err)
	case sqliteErr.SystemErrno == syscall.ENOSPC, sqliteErr.SystemErrno == syscall.EDQUOT, sqliteErr.Code == sqlite3.ErrFull:
		return fmt.Errorf("%w: make room on the disk", err)
	case sqliteErr.SystemErrno == syscall.EROFS:
		return fmt.Errorf("%w: the file system can only be read any more; look why, and put that right", err)
	case isSQLiteError(err, sqlite3.ErrBusy), isSQLiteError(err, sqlite3.ErrLocked):
		return fmt.Errorf("%w (%w)", ErrInUse, err)
	case isSQLiteError(err, sqlite3.ErrNotADB):
		return fmt.Errorf("%w: it is not an SQLite database; restore it from a backup, or move it away (%w)", ErrUnusable, err)
	case isSQLiteError(err, sqlite3.ErrCorrupt):
		return fmt.Errorf("%w (%w)", ErrDamaged, err)
	case isSQLiteError(err, sqlite3.ErrCantOpen), errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: check that the folder exists and that this user may read and write in it", err)
	case isSQLiteError(err, sqlite3.ErrReadonly), errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: give this user permission to read and write the file and to write in its folder", err)
	case isSQLiteError(err, sqlite3.ErrIoErr):
		return fmt.Errorf("%w: the disk reports an error; look at it, and at the log of the system", err)
	default:
		return err
	}
}

func isSQLiteError(err error, code sqlite3.ErrNo) bool {
	var sqliteErr sqlite3.Error
	return errors.As(err, &sqliteErr) && sqliteErr.Code == code
}
