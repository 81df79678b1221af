package control

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/kvconnect/kvconnect/access"
)

// busyTimeoutMs is how long Open waits for another process. It is for processes that start
// at the same time, one of which is to win; who has the file keeps it.
const busyTimeoutMs = 200

// Options says how to open a control database.
type Options struct {
	// Now is time.Now if nil.
	Now func() time.Time
	// DefaultLimits hold, in what meters a database, where it has no limits of its own.
	DefaultLimits access.Limits
	// Logger gets what an operator may want to know; nothing is logged if it is nil.
	Logger *slog.Logger
}

// Open opens the control database at path, whose folder must exist, and makes it if there
// is none. It keeps everybody else from opening it until Close.
//
// It fails with ErrInUse at once, or nearly, if another Store has it open, with ErrUnusable
// if it is of another program, of a newer version or readable for others than its owner,
// and with ErrDamaged if what is in it makes no sense. A file that it refuses stays as it
// was, but for what SQLite itself does with the journal of a program that died.
func Open(ctx context.Context, path string, options Options) (*Store, error) {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Store{now: options.Now, checking: make(chan struct{}, 1)}
	if err := s.open(ctx, path, options); err != nil {
		return nil, fmt.Errorf("open control database %s: %w", path, explain(err))
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, path string, options Options) (err error) {
	if path == "" {
		return errors.New("no path given")
	}
	if path, err = filepath.Abs(path); err != nil {
		return err
	}
	parameters := url.Values{"mode": {"rw"}, "_busy_timeout": {strconv.Itoa(busyTimeoutMs)}}
	switch err := refuse(path); {
	case errors.Is(err, fs.ErrNotExist):
		private, err := makePrivateFile(filepath.Dir(path))
		if err != nil {
			return err
		}
		defer func() { _ = os.Remove(private) }() // it is empty, and nobody looks for it
		parameters.Set("mode", "rwc")
		parameters.Set("modeof", private)
	case err != nil:
		return err
	}
	// SQLite does not take a plus sign for a space.
	query := strings.ReplaceAll(parameters.Encode(), "+", "%20")
	name := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: query}
	if s.db, err = sql.Open("sqlite3", name.String()); err != nil {
		return err
	}
	s.db.SetMaxOpenConns(1)
	defer func() {
		if err == nil {
			return
		}
		if s.conn != nil {
			err = errors.Join(err, s.conn.Close())
		}
		err = errors.Join(err, s.db.Close())
	}()
	// The lock lives and dies with the connection: it is never given back to the pool,
	// which could close it and open another one.
	if s.conn, err = s.db.Conn(ctx); err != nil {
		return err
	}
	if err := refuseExposed(path); err != nil { // a new file is looked at for the first time
		return err
	}
	from, err := lock(ctx, s.conn)
	if err != nil {
		return err
	}
	s.path = path
	if s.info, err = os.Stat(path); err != nil {
		return err
	}
	if s.mirror, err = load(ctx, s.conn, options.DefaultLimits); err != nil {
		return err
	}
	if from > 0 && from < schemaVersion {
		options.Logger.Info("control database brought up to date", "path", path, "from_version", from, "to_version", schemaVersion)
	}
	return nil
}

// refuse fails for a file that must not be opened: with fs.ErrNotExist if there is none. It
// looks at the file from outside, see the package comment.
func refuse(path string) error {
	if err := refuseExposed(path); err != nil {
		return err
	}
	if _, err := os.Stat(path + "-wal"); err == nil {
		// It would be moved into the file, whatever that is.
		return fmt.Errorf("%w: beside it is a write-ahead log, %s-wal, which is of another program; close that program, "+
			"or run: sqlite3 %s 'pragma journal_mode = delete'", ErrUnusable, path, path)
	}
	return nil
}

// refuseExposed fails for a file that others than its owner may read.
func refuseExposed(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%w: it is not a file; move it away", ErrUnusable)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%w: its mode is %04o, so others than its owner may read it; run: chmod 600 %s",
			ErrUnusable, info.Mode().Perm(), path)
	}
	return nil
}

// makePrivateFile makes an empty file that only its owner can read. SQLite gives the mode
// of such a file to one that it makes (the parameter modeof). To make the control database
// itself beforehand, and to close it, would lose the lock of a Store that is opened at the
// same moment.
func makePrivateFile(folder string) (path string, err error) {
	file, err := os.CreateTemp(folder, ".control-*")
	if err != nil {
		return "", err
	}
	return file.Name(), file.Close()
}

// lock takes the file for good, unless it cannot be used, and brings its tables to
// schemaVersion. It gives the version that they had.
func lock(ctx context.Context, conn *sql.Conn) (from int, err error) {
	if _, err := usableVersion(ctx, conn); err != nil { // before anything is changed
		return 0, err
	}
	// The journal of rollbacks has the last change alone, and is emptied at its end: what is
	// in the file is in one file. Of its kinds, truncate is the one whose end waits for the
	// disk too. Changes are rare, and need not be quicker.
	for _, pragma := range []string{"foreign_keys = on", "synchronous = full", "secure_delete = on", "journal_mode = truncate"} {
		if _, err := conn.ExecContext(ctx, "pragma "+pragma); err != nil {
			return 0, err
		}
	}
	if _, err := conn.ExecContext(ctx, "begin exclusive"); err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			_, rollbackErr := conn.ExecContext(context.WithoutCancel(ctx), "rollback")
			err = errors.Join(err, rollbackErr)
		}
	}()
	if from, err = usableVersion(ctx, conn); err != nil { // another process may have been quicker
		return 0, err
	}
	// From here on locks are not given up at the end of a transaction. This comes late, so
	// that of those who start at the same time none holds a lock and waits for another.
	if _, err := conn.ExecContext(ctx, "pragma locking_mode = exclusive"); err != nil {
		return 0, err
	}
	if err := migrate(ctx, conn, from); err != nil {
		return 0, err
	}
	if _, err := conn.ExecContext(ctx, "commit"); err != nil {
		return 0, err
	}
	return from, nil
}
