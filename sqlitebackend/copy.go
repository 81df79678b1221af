package sqlitebackend

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/google/uuid"
	"github.com/mattn/go-sqlite3"
)

// ErrFileInUse is returned by Copy for a file that another program has open.
var ErrFileInUse = errors.New("another program has the file open: stop the server that uses it")

// ErrDamagedFile is returned by Copy for a file that is not whole.
var ErrDamagedFile = errors.New("the file is damaged, or a part of it is missing: restore it from a backup")

const (
	// copiedPages are copied between two looks at the context.
	copiedPages = 1024

	// alone keeps all others off a file for as long as the connection is open, and needs
	// no file for shared memory.
	alone = "rw&_locking_mode=EXCLUSIVE&_busy_timeout=200"
)

// Copy makes the file at to, which must not be there, of the Deno KV database at from, with
// what is in its WAL, and gives the database id: that of from, or a new one if it has
// none, as a file of Deno's. Tables of an older version are brought to the current one.
//
// The source stays as it is, but for what SQLite does itself whenever a file is opened and
// closed for writing: its WAL is moved into it. Nobody else can open it meanwhile. What
// another program has open is refused with ErrFileInUse. That shows for a file in WAL mode,
// as Deno's and this server's are; in another mode only while the other reads or writes.
//
// What is not a Deno KV database fails with ErrSchema, and what SQLite finds to be damaged,
// which it looks for in all of the copy, with ErrDamagedFile. Only the owner may read the
// copy. It is durable once Copy returns, and before that has another name in the same
// folder; if Copy fails, or ctx ends, nothing is left of it.
func Copy(ctx context.Context, from, to string) (id uuid.UUID, err error) {
	if id, err = copyDatabase(ctx, from, to); err != nil {
		return uuid.UUID{}, fmt.Errorf("copy database %s to %s: %w", from, to, err)
	}
	return id, nil
}

func copyDatabase(ctx context.Context, from, to string) (id uuid.UUID, err error) {
	if from, err = resolve(from); err != nil {
		return uuid.UUID{}, err
	}
	if err := mustBeAbsent(to); err != nil {
		return uuid.UUID{}, err
	}
	source, err := openToCopy(from)
	if err != nil {
		return uuid.UUID{}, damaged(err)
	}
	draft, err := newDraft(to)
	if err != nil {
		return uuid.UUID{}, errors.Join(err, source.close())
	}
	defer func() { err = errors.Join(err, removeDraft(draft)) }()
	if id, err = fillDraft(ctx, source, draft); err != nil {
		return uuid.UUID{}, damaged(err)
	}
	if err := mustBeAbsent(to); err != nil {
		return uuid.UUID{}, err
	}
	return id, publish(draft, to)
}

func mustBeAbsent(path string) error {
	_, err := os.Lstat(path)
	switch {
	case err == nil:
		return fmt.Errorf("%w: it is not overwritten", &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist})
	case errors.Is(err, fs.ErrNotExist):
		return nil
	default:
		return err
	}
}

// openToCopy opens a file that nobody else has open, and keeps others off it.
func openToCopy(path string) (*conn, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	if err := refuse(path, false); err != nil {
		return nil, err
	}
	source, err := openConn(path, alone)
	if err == nil {
		if err = lockToCopy(source); err != nil {
			err = errors.Join(err, source.close())
		}
	}
	if isSQLiteError(err, sqlite3.ErrBusy) {
		err = fmt.Errorf("%w (%w)", ErrFileInUse, err)
	}
	if err != nil {
		return nil, err
	}
	return source, nil
}

// lockToCopy ends with a lock that stays with the connection, because of its locking mode.
func lockToCopy(source *conn) error {
	// First, because to lock an empty file is to write to it.
	if err := mustBeKV(source); err != nil {
		return err
	}
	if err := source.script("begin exclusive"); err != nil {
		return err
	}
	return source.script("commit")
}

// fillDraft closes the source.
func fillDraft(ctx context.Context, source *conn, path string) (id uuid.UUID, err error) {
	draft, err := openConn(path, alone, "synchronous = off", "journal_mode = memory")
	if err != nil {
		return uuid.UUID{}, errors.Join(err, source.close())
	}
	err = errors.Join(copyPages(ctx, source, draft), source.close())
	if err == nil {
		id, err = migrate(draft, uuid.New())
	}
	if err == nil {
		err = checkIntegrity(ctx, draft)
	}
	if err == nil {
		err = draft.script("pragma wal_checkpoint(truncate)")
	}
	if err = errors.Join(err, draft.close()); err != nil {
		return uuid.UUID{}, err
	}
	if walBytes, err := fileBytes(path + "-wal"); err != nil || walBytes > 0 {
		return uuid.UUID{}, errors.Join(errors.New("a part of the copy stayed in its WAL"), err)
	}
	return id, nil
}

func copyPages(ctx context.Context, source, draft *conn) error {
	backup, err := draft.db.Backup("main", source.db, "main")
	if err != nil {
		return fmt.Errorf("begin to copy pages: %w", err)
	}
	for left := -1; ; {
		done, err := backup.Step(copiedPages)
		switch now := backup.Remaining(); {
		case err != nil:
			_ = backup.Finish() // it tells the same once more
			return fmt.Errorf("copy pages: %w", err)
		case done:
			return backup.Finish()
		case ctx.Err() != nil:
			return errors.Join(ctx.Err(), backup.Finish())
		case now == left: // the driver does not tell of a lock
			return errors.Join(errors.New("copy pages: one of the files is locked"), backup.Finish())
		default:
			left = now
		}
	}
}

// checkIntegrity has SQLite look at all pages, and at whether the index fits the table.
func checkIntegrity(ctx context.Context, c *conn) error {
	columns, err := c.queryUntil(ctx, "pragma integrity_check(1)")
	if err == nil && (len(columns) == 0 || columns[0] != "ok") {
		err = fmt.Errorf("%w: %v", ErrDamagedFile, columns)
	}
	return err
}

// damaged marks what SQLite says of a file that it cannot read.
func damaged(err error) error {
	if isSQLiteError(err, sqlite3.ErrCorrupt) || isSQLiteError(err, sqlite3.ErrNotADB) {
		return fmt.Errorf("%w (%w)", ErrDamagedFile, err)
	}
	return err
}
