package sqlitebackend

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/mattn/go-sqlite3"
)

const (
	minReadConns = 4

	// busyTimeout is how long SQLite waits for a lock of another process.
	busyTimeout = "busy_timeout = 5000"

	// immutableMode reads a file that nobody writes to, without any file beside it.
	immutableMode = "ro&immutable=1"
)

// Open opens the database at options.Path. It fails with ErrSchema if the tables
// in the file cannot be used, and leaves such a file as it was, but for what SQLite
// itself does to a journal that a program left when it died.
func Open(options Options) (*Backend, error) {
	backend, err := open(options)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", options.Path, hint(err, options.ReadOnly))
	}
	return backend, nil
}

func open(options Options) (_ *Backend, err error) {
	path, err := resolve(options.Path)
	if err != nil {
		return nil, err
	}
	options = options.withDefaults()
	synchronous, err := options.Durability.pragma()
	if err != nil {
		return nil, err
	}
	cache := divideCache(options.CacheBytes, options.ReadConns)
	if err := refuse(path, options.ReadOnly); err != nil {
		return nil, err
	}
	b := &Backend{
		path: path, clock: &expiryClock{clock: options.Clock}, hub: newHub(), sweepKeys: minSweepKeys,
		logger: options.Logger, observer: options.Observer,
	}
	b.readFaults = &readFaults{clock: options.Clock, logger: options.Logger}
	b.announcedMs = b.clock.nowMs()
	var writeConn *conn
	defer func() {
		if err == nil {
			return
		}
		if b.reads != nil {
			err = errors.Join(err, b.reads.close())
		}
		if writeConn != nil {
			err = errors.Join(err, writeConn.close())
		}
	}()

	// The connection that writes comes first: it makes the file and its tables.
	if !options.ReadOnly {
		if writeConn, b.id, err = openWriteConn(path, options.NewDatabaseID, synchronous, cachePragma(cache.write)); err != nil {
			return nil, err
		}
		// A link that led nowhere until now has another name from the next start.
		if path, err = resolve(path); err != nil {
			return nil, err
		}
		b.path = path
	}
	mode := "ro"
	if options.ReadOnly {
		if mode, err = readOnlyMode(path); err != nil {
			return nil, err
		}
		if mode != "ro" {
			options.Logger.Warn("the folder cannot be written to: the file is taken to be one that nobody changes")
		}
	}
	file, err := sameFileAs(path, !options.ReadOnly)
	if err != nil {
		return nil, err
	}
	b.keys = newKeyCount(func() (*conn, error) {
		return file.open(mode, busyTimeout, "query_only = true", cachePragma(countCacheBytes))
	})
	b.reads, err = newReadPool(options.ReadConns, func() (*conn, error) {
		return file.open(mode, busyTimeout, "query_only = true", cachePragma(cache.read))
	}, b.clock, options.Observer, options.Logger)
	if err != nil {
		return nil, err
	}
	var firstExpiryMs int64
	var expires bool
	err = b.reads.use(context.Background(), func(c *conn) (err error) {
		if options.ReadOnly {
			if b.id, err = inspect(c, path); err != nil {
				return err
			}
		}
		firstExpiryMs, expires, err = c.number(selectEarliestExpiry)
		return err
	})
	if err != nil {
		return nil, err
	}
	if options.ReadOnly {
		b.expiry = newExpiryLoop(options.Clock, b.announceExpired, options.Logger)
	} else {
		b.expiry = newExpiryLoop(options.Clock, b.sweepExpired, options.Logger)
		b.writer = newWriter(writeConn, file, func() (*conn, error) {
			return file.open("rw", synchronous, cachePragma(checkpointCacheBytes))
		}, b)
		b.SetMaxFileBytes(options.MaxFileBytes)
	}
	b.expiry.start()
	if expires {
		b.expiry.wakeAt(firstExpiryMs)
	}
	return b, nil
}

// readOnlyMode gives the mode in which a file can be opened for reading only. SQLite
// needs a file for shared memory beside one in WAL mode; where it cannot make that,
// the file can still be read if nobody writes to it.
func readOnlyMode(path string) (string, error) {
	if err := access(path, mayRead); err != nil {
		return "", fmt.Errorf("%w: to be opened for reading only, the file must be there and this user must be allowed to read it", err)
	}
	const shared = "ro"
	c, err := openConn(path, shared, busyTimeout)
	if err == nil {
		_, err = c.queryInt("select count(*) from sqlite_schema")
		err = errors.Join(err, c.close())
	}
	if !isSQLiteError(err, sqlite3.ErrCantOpen) && !isSQLiteError(err, sqlite3.ErrReadonly) {
		return shared, nil // or it fails again, with what there is to say
	}
	if wal, statErr := os.Stat(path + "-wal"); statErr == nil && wal.Size() > 0 {
		return "", fmt.Errorf("%w: its last changes are in %s-wal, and reading them takes a folder that can be written to; "+
			"let this user write in it, or close the database in order first", err, path)
	}
	return immutableMode, nil
}

func (o Options) withDefaults() Options {
	if o.Durability == "" {
		o.Durability = DurabilityFull
	}
	if o.Clock == nil {
		o.Clock = systemClock{}
	}
	if o.NewDatabaseID == uuid.Nil {
		o.NewDatabaseID = uuid.New()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Observer == nil {
		o.Observer = noObserver{}
	}
	if o.ReadConns <= 0 {
		o.ReadConns = max(minReadConns, runtime.GOMAXPROCS(0))
	}
	return o
}

func openWriteConn(path string, newID uuid.UUID, pragmas ...string) (*conn, uuid.UUID, error) {
	c, err := openConn(path, "rwc", append([]string{busyTimeout}, pragmas...)...)
	if err != nil {
		return nil, uuid.UUID{}, err
	}
	// The tables come before the journal mode, so that a file that cannot be
	// used stays as it was.
	id, err := migrate(c, newID)
	if err == nil {
		err = useWAL(c)
	}
	if err != nil {
		return nil, uuid.UUID{}, errors.Join(err, c.close())
	}
	return c, id, nil
}

func useWAL(c *conn) error {
	columns, err := c.query("pragma journal_mode = wal")
	if err == nil && (len(columns) == 0 || columns[0] != "wal") {
		err = fmt.Errorf("the file cannot be put in WAL mode but stays in mode %v: use a local file system", columns)
	}
	if err != nil {
		return err
	}
	_, _, err = c.number(selectVersion) // SQLite opens the WAL when it reads
	return err
}

// resolve makes the path absolute, and follows links where the file exists, so
// that one file has one name.
func resolve(path string) (string, error) {
	if path == "" {
		return "", errors.New("no path given")
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if target, err := filepath.EvalSymlinks(absolute); err == nil {
		absolute = target
	}
	if info, err := os.Stat(absolute); err == nil && info.IsDir() {
		return "", errors.New("it is a folder: name a file in it")
	}
	return absolute, nil
}

// IsDamage tells whether Open failed because of what is in the file, so that trying again
// does not help.
func IsDamage(err error) bool {
	return errors.Is(err, ErrSchema) || isSQLiteError(err, sqlite3.ErrNotADB) || isSQLiteError(err, sqlite3.ErrCorrupt)
}

// hint adds what to do about the errors of SQLite that an operator meets.
func hint(err error, readOnly bool) error {
	cause := diskErrorOf(err)
	switch {
	case errors.Is(cause, protocol.ErrDiskFull):
		return fmt.Errorf("%w: make room on the disk", err)
	case errors.Is(cause, protocol.ErrDiskFailing):
		return fmt.Errorf("%w: the disk reports an error; look at it, and at the log of the system", err)
	case errors.Is(err, syscall.EROFS) && !readOnly:
		return fmt.Errorf("%w: look why the file system can only be read, or use --read-only", err)
	case isSQLiteError(err, sqlite3.ErrNotADB):
		return fmt.Errorf("%w: the file is not an SQLite database; name another one", err)
	case isSQLiteError(err, sqlite3.ErrCantOpen) && !readOnly:
		return fmt.Errorf("%w: check that the folder exists and that this user may read and write in it", err)
	case (isSQLiteError(err, sqlite3.ErrReadonly) || errors.Is(err, fs.ErrPermission)) && !readOnly:
		return fmt.Errorf("%w: give this user permission to read and write the file and to write in its folder, or use --read-only", err)
	case isSQLiteError(err, sqlite3.ErrCorrupt):
		return fmt.Errorf("%w: the file is damaged, or a part of it is missing; restore it from a backup", err)
	case isSQLiteError(err, sqlite3.ErrBusy):
		return fmt.Errorf("%w: another process holds the file; stop it", err)
	default:
		return err
	}
}
