package sqlitebackend

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/google/uuid"
	"github.com/mattn/go-sqlite3"
)

// ErrUnfinishedWrite is returned by Examine for a file with the journal of a program that
// died in the middle of a write.
var ErrUnfinishedWrite = errors.New("a program died in the middle of a write: start the server once, which undoes it")

// Examination is what Examine finds out about a file.
type Examination struct {
	// TablesVersion is the version of the tables, from 1 to CurrentTables.
	TablesVersion int64
	// DatabaseID is the id, if HasID: a file of Deno's has none until the server opens it.
	DatabaseID uuid.UUID
	HasID      bool
	// Damage is what SQLite finds to be wrong, in its words, which name pages and tables and
	// no keys; "" for a file that is whole.
	Damage string
}

// CurrentTables is the version to which Open brings the tables of a file.
const CurrentTables = schemaVersion

const (
	// sharedUntouched reads what others write, and leaves the shared memory as it is. Where
	// nobody has the file open any more, the index of the WAL is made in this process.
	sharedUntouched = "ro&readonly_shm=1"

	// aloneUntouched reads a WAL that has no shared memory, and makes none: that takes the
	// file for itself, which SQLite does only where it may write.
	aloneUntouched = alone
)

// Examine looks at the database at path, which other programs may have open, and changes
// neither the file nor what is beside it. A thorough look compares each index with its table
// too; both read the whole file. If ctx ends, the error is ctx's.
//
// It fails with fs.ErrNotExist for no file, with ErrSchema for one that Open would refuse or
// make tables in, with ErrDamagedFile for one that SQLite cannot begin to read, and with
// ErrUnfinishedWrite.
func Examine(ctx context.Context, path string, thorough bool) (Examination, error) {
	found, err := examine(ctx, path, thorough)
	if err != nil {
		return Examination{}, fmt.Errorf("examine %s: %w", path, err)
	}
	return found, nil
}

func examine(ctx context.Context, path string, thorough bool) (Examination, error) {
	path, err := resolve(path)
	if err != nil {
		return Examination{}, err
	}
	if _, err := os.Stat(path); err != nil {
		return Examination{}, err
	}
	mode, err := untouchedMode(path)
	if err != nil {
		return Examination{}, err
	}
	found, err := examineIn(ctx, path, mode, thorough)
	if again, modeErr := untouchedMode(path); modeErr == nil && again != mode && (err != nil || found.Damage != "") {
		// A server has begun or stopped meanwhile.
		found, err = examineIn(ctx, path, again, thorough)
	}
	return found, err
}

// untouchedMode gives the mode in which a connection leaves everything as it is.
func untouchedMode(path string) (string, error) {
	walBytes, err := fileBytes(path + "-wal")
	switch {
	case err != nil:
		return "", err
	case !isAbsent(path + "-shm"):
		return sharedUntouched, nil
	case !isAbsent(path + "-journal"):
		return "ro", nil
	case walBytes > 0:
		return aloneUntouched, nil
	default:
		return immutableMode, nil
	}
}

func examineIn(ctx context.Context, path, mode string, thorough bool) (found Examination, err error) {
	c, err := openConn(path, mode, busyTimeout)
	if err != nil {
		return Examination{}, explained(err)
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := c.raw.KeepWAL(); err != nil {
		return Examination{}, err
	}
	if err := found.read(c); err != nil {
		return Examination{}, explained(err)
	}
	check := "pragma quick_check(1)"
	if thorough {
		check = "pragma integrity_check(1)"
	}
	columns, err := c.queryUntil(ctx, check)
	switch {
	case isSQLiteError(err, sqlite3.ErrCorrupt), isSQLiteError(err, sqlite3.ErrNotADB):
		found.Damage = err.Error()
	case err != nil:
		return Examination{}, err
	case len(columns) == 0:
		found.Damage = "the check gave no result"
	case columns[0] != "ok":
		found.Damage = fmt.Sprint(columns[0])
	}
	return found, nil
}

// read finds out about the tables.
func (found *Examination) read(c *conn) (err error) {
	if err := mustBeKV(c); err != nil {
		return err
	}
	if found.TablesVersion, err = usableVersion(c); err != nil {
		return err
	}
	found.DatabaseID, found.HasID, err = readDatabaseID(c)
	if isNoTable(err) {
		return nil
	}
	return err
}

// explained marks what SQLite says of a file that it cannot begin to read.
func explained(err error) error {
	if isSQLiteError(err, sqlite3.ErrReadonly) { // it would have to write what the journal has
		return fmt.Errorf("%w (%w)", ErrUnfinishedWrite, err)
	}
	return damaged(err)
}
