package sqlitebackend

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/mattn/go-sqlite3"
)

// Options says how a database is opened.
type Options struct {
	// Path of the file; relative to the working directory if not absolute.
	// Unless ReadOnly is set, a file that is not there is made.
	Path string
	// ReadOnly opens the file for reading only. It must exist and have the
	// tables of a current Deno KV database.
	ReadOnly bool
	// ReadConns is the number of snapshot reads served at once; 0 for one
	// that fits the machine.
	ReadConns int
	// Clock is the system's if nil.
	Clock Clock
	// Logger gets what no caller can be told; it is discarded if nil.
	Logger *slog.Logger
}

// Backend is an open database. Its methods are safe for concurrent use.
type Backend struct {
	id     uuid.UUID
	path   string
	clock  *expiryClock
	hub    *hub
	reads  *readPool
	writer *writer // nil if the file is open for reading only
	expiry *expiryLoop

	// announcedMs is the time up to which watchers were told of expiries, if
	// the file is open for reading only. It belongs to the expiry loop.
	announcedMs int64

	closeOnce sync.Once
	closeErr  error
}

const (
	minReadConns = 4

	// busyTimeout is how long SQLite waits for a lock of another process.
	busyTimeout = "busy_timeout = 5000"
)

// Open opens the database at options.Path. It fails with ErrSchema if the tables
// in the file cannot be used, and leaves such a file as it was.
func Open(options Options) (*Backend, error) {
	backend, err := open(options)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", options.Path, hint(err))
	}
	return backend, nil
}

func open(options Options) (_ *Backend, err error) {
	path, err := resolve(options.Path)
	if err != nil {
		return nil, err
	}
	if options.Clock == nil {
		options.Clock = systemClock{}
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.ReadConns <= 0 {
		options.ReadConns = max(minReadConns, runtime.GOMAXPROCS(0))
	}
	b := &Backend{path: path, clock: &expiryClock{clock: options.Clock}, hub: newHub()}
	b.announcedMs = b.clock.nowMs()

	// The writer comes first: it makes the file and its tables.
	var writeConn *conn
	if !options.ReadOnly {
		if writeConn, b.id, err = openWriteConn(path); err != nil {
			return nil, err
		}
	}
	if b.reads, err = openReadPool(path, options.ReadConns, b.clock); err != nil {
		if writeConn != nil {
			err = errors.Join(err, writeConn.close())
		}
		return nil, err
	}
	if options.ReadOnly {
		err := b.reads.use(context.Background(), func(c *conn) error {
			b.id, err = inspect(c, path)
			return err
		})
		if err != nil {
			return nil, errors.Join(err, b.reads.close())
		}
		b.expiry = startExpiryLoop(options.Clock, b.announceExpired, options.Logger)
	} else {
		b.expiry = startExpiryLoop(options.Clock, b.sweepExpired, options.Logger)
		b.writer = startWriter(writeConn, b.clock, b.hub, b.expiry, options.Logger)
	}
	b.expiry.wakeAt(0)
	return b, nil
}

func openWriteConn(path string) (*conn, uuid.UUID, error) {
	c, err := openConn(path, "rwc",
		busyTimeout,
		// The driver is built with synchronous=NORMAL for WAL, which may lose
		// acknowledged writes when the power fails.
		"synchronous = full",
		"cache_size = -65536",
	)
	if err != nil {
		return nil, uuid.UUID{}, err
	}
	// The tables come before the journal mode, so that a file that cannot be
	// used stays as it was.
	id, err := migrate(c)
	if err == nil {
		err = useWAL(c)
	}
	if err != nil {
		return nil, uuid.UUID{}, errors.Join(err, c.close())
	}
	return c, id, nil
}

func useWAL(c *conn) error {
	var mode string
	err := c.query("pragma journal_mode = wal", nil, func(columns []driver.Value) bool {
		mode, _ = columns[0].(string)
		return false
	})
	if err == nil && mode != "wal" {
		err = fmt.Errorf("the file cannot be put in WAL mode but stays in mode %q: use a local file system", mode)
	}
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

// hint adds what to do about the errors of SQLite that an operator meets.
func hint(err error) error {
	switch {
	case isSQLiteError(err, sqlite3.ErrNotADB):
		return fmt.Errorf("%w: the file is not an SQLite database; name another one", err)
	case isSQLiteError(err, sqlite3.ErrCantOpen):
		return fmt.Errorf("%w: check that the folder exists and that this user may read and write in it", err)
	case isSQLiteError(err, sqlite3.ErrReadonly):
		return fmt.Errorf("%w: give this user permission to write, or use --read-only", err)
	case isSQLiteError(err, sqlite3.ErrBusy):
		return fmt.Errorf("%w: another process holds the file; stop it", err)
	default:
		return err
	}
}

// DatabaseID is the id that clients know the database by. It stays with the file.
func (b *Backend) DatabaseID() uuid.UUID { return b.id }

// Path is the absolute path of the file.
func (b *Backend) Path() string { return b.path }

// SnapshotRead gives the entries of all ranges as of one point in time, which is
// not before any write acknowledged earlier.
func (b *Backend) SnapshotRead(ctx context.Context, read protocol.SnapshotRead) (protocol.SnapshotReadOutput, error) {
	return b.reads.snapshotRead(ctx, read)
}

// AtomicWrite applies the write or nothing of it. If ctx ends before the writer
// has begun with the write, nothing happens and the error is ctx's; after that
// AtomicWrite waits for the outcome.
func (b *Backend) AtomicWrite(ctx context.Context, write protocol.AtomicWrite) (protocol.AtomicWriteOutput, error) {
	if b.writer == nil {
		return protocol.AtomicWriteOutput{Status: protocol.AtomicWriteDisabled}, nil
	}
	return b.writer.atomicWrite(ctx, write)
}

// Close waits for the requests under way, writes the WAL back into the file and
// closes it. Requests that come later, and watches, get protocol.ErrClosed. A
// further call gives the result of the first.
func (b *Backend) Close() error {
	b.closeOnce.Do(func() {
		b.expiry.close()
		if b.writer != nil {
			b.writer.close()
		}
		errs := []error{b.reads.close()}
		b.hub.close() // last, so that a woken watcher finds the reads closed
		if b.writer != nil {
			errs = append(errs, b.writer.checkpointAndClose())
		}
		if err := errors.Join(errs...); err != nil {
			b.closeErr = fmt.Errorf("close database %s: %w", b.path, err)
		}
	})
	return b.closeErr
}
