// Package datadir is the folder in which a server keeps many databases:
//
//	control.sqlite         which databases, access tokens and signing keys there are
//	databases/UUID.sqlite  one database each
//	trash/UUID-TIME.sqlite a deleted database, for some time, and UUID-TIME.json, which says of it
//	admin.json             where the running server is reached by an operator, and the token
//
// One process at a time has the folder open: the lock is that of the control database.
package datadir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/control"
	"github.com/kvconnect/kvconnect/databases"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

const (
	controlFile     = "control.sqlite"
	databasesFolder = "databases"
	trashFolder     = "trash"

	databaseSuffix = ".sqlite"
)

// Defaults of Options.
const (
	// DefaultMaxOpen is how many databases are open at once.
	DefaultMaxOpen = databases.DefaultMaxOpen
	// DefaultIdleTimeout is how long a database stays open that nobody uses.
	DefaultIdleTimeout = databases.DefaultIdleTimeout
	// DefaultTrashRetention is how long the file of a deleted database is kept.
	DefaultTrashRetention = 30 * 24 * time.Hour
)

// cacheBytes is the page cache of one database at the most. The system's own cache is
// behind it.
const cacheBytes = 16 << 20

var (
	// ErrNoFolder is returned by Open for a folder that is not there and is not to be made.
	ErrNoFolder = errors.New("the data folder is not there")
	// ErrNoControl is returned by Open for a folder with databases, but without the control
	// database that knows of them: a new one would lock everybody out.
	ErrNoControl = errors.New("the control database is missing: restore " + controlFile + " from a backup, " +
		"or move the database files elsewhere and adopt each of them with: kvconnect db adopt FILE")
)

// Options says how a folder is opened.
type Options struct {
	Path string
	// Create makes the folder if it is not there.
	Create bool
	// MaxOpen, IdleTimeout and TrashRetention have defaults if they are 0.
	MaxOpen        int
	IdleTimeout    time.Duration
	TrashRetention time.Duration
	// Durability is that of all databases.
	Durability sqlitebackend.Durability
	// DefaultLimits hold for a database that has none of its own.
	DefaultLimits access.Limits
	// Now is time.Now if nil.
	Now    func() time.Time
	Logger *slog.Logger
	// Observer is told what the databases do; nil for nobody.
	Observer sqlitebackend.Observer
}

// Dir is an open data folder. It is safe for concurrent use.
type Dir struct {
	path    string
	options Options
	control *control.Store
	pool    *databases.Pool

	authority   atomic.Pointer[auth.Authority] // nil if nothing is served
	keysDropped atomic.Pointer[func()]         // nil if nobody needs to know

	// changing is held while files of databases come and go, and while the keys change.
	changing sync.Mutex
	isClosed bool // guarded by changing

	diskFaults diskFaults

	mu   sync.Mutex
	open map[uuid.UUID]*sqlitebackend.Backend // guarded by mu
}

// Open opens the folder, and fails with control.ErrInUse while another process has it. The
// caller closes it.
func Open(ctx context.Context, options Options) (*Dir, error) {
	options = options.withDefaults()
	path, err := filepath.Abs(options.Path)
	if err != nil {
		return nil, fmt.Errorf("open data folder: %w", err)
	}
	d := &Dir{
		path: path, options: options, open: make(map[uuid.UUID]*sqlitebackend.Backend),
		diskFaults: diskFaults{now: options.Now, logger: options.Logger},
	}
	if err := d.makeFolders(); err != nil {
		return nil, fmt.Errorf("open data folder %s: %w", path, advised(err))
	}
	d.control, err = control.Open(ctx, filepath.Join(path, controlFile), control.Options{
		Now: options.Now, DefaultLimits: options.DefaultLimits, Logger: options.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("open data folder %s: %w", path, err)
	}
	if err := d.settle(ctx); err != nil {
		return nil, fmt.Errorf("open data folder %s: %w", path, errors.Join(err, d.control.Close()))
	}
	d.pool = databases.Open(databases.Options{
		Open: d.openDatabase, Check: d.check,
		MaxOpen: options.MaxOpen, IdleTimeout: options.IdleTimeout,
		Logger: options.Logger,
	})
	return d, nil
}

func (o Options) withDefaults() Options {
	if o.MaxOpen <= 0 {
		o.MaxOpen = DefaultMaxOpen
	}
	if o.IdleTimeout <= 0 {
		o.IdleTimeout = DefaultIdleTimeout
	}
	if o.TrashRetention <= 0 {
		o.TrashRetention = DefaultTrashRetention
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// makeFolders makes what is missing. Nobody else may look into folders made here.
func (d *Dir) makeFolders() error {
	if err := d.refuseWithoutControl(); err != nil {
		return err
	}
	for _, name := range []string{"", databasesFolder, trashFolder} {
		if err := os.MkdirAll(filepath.Join(d.path, name), 0o700); err != nil {
			return err
		}
	}
	return nil
}

// advised says what to do about an error of a folder.
func advised(err error) error {
	switch {
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w: it is a file: name a folder", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: run this as the user that the folder belongs to, as the server does, or give it to this user with chown", err)
	default:
		return err
	}
}

// refuseWithoutControl fails for a folder in which no control database may be made.
func (d *Dir) refuseWithoutControl() error {
	// In this order: who makes the folder at the same time makes the control database first.
	hasDatabases := false
	for _, name := range []string{databasesFolder, trashFolder} {
		entries, err := os.ReadDir(filepath.Join(d.path, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		hasDatabases = hasDatabases || slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
			return strings.HasSuffix(e.Name(), databaseSuffix)
		})
	}
	info, err := os.Stat(filepath.Join(d.path, controlFile))
	switch {
	case err == nil && info.Size() > 0:
		return nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case hasDatabases:
		return ErrNoControl
	case !d.options.Create:
		return fmt.Errorf("%w: check the path, or make it with: kvconnect --data-dir %s db create NAME", ErrNoFolder, d.options.Path)
	default:
		return nil
	}
}

// settle finds out what a server that was killed has left. The lock of the folder is held.
func (d *Dir) settle(ctx context.Context) error {
	if len(d.control.Keys()) == 0 {
		if err := d.control.SaveKeys(ctx, []auth.Key{auth.GenerateKey(d.options.Now())}); err != nil {
			return err
		}
	}
	if err := d.removeAdminAccess(); err != nil {
		return err
	}
	if err := d.removeDrafts(); err != nil {
		return err
	}
	if err := d.finishDeletions(); err != nil {
		return err
	}
	return d.compareWithControl()
}

// Path is the absolute path of the folder.
func (d *Dir) Path() string { return d.path }

// Control is the control database.
func (d *Dir) Control() *control.Store { return d.control }

// Databases lends the databases.
func (d *Dir) Databases() *databases.Pool { return d.pool }

// NewAuthority gives the Authority of a server on the folder, which hears of all changes.
func (d *Dir) NewAuthority(master *auth.AccessTokenHash, identity auth.IdentityVerifier) (*auth.Authority, error) {
	d.changing.Lock()
	defer d.changing.Unlock()
	keys, err := auth.NewKeyRing(d.control.Keys())
	if err != nil {
		return nil, fmt.Errorf("signing keys: %w", err)
	}
	authority := auth.New(auth.Options{Registry: d.control, Keys: keys, Master: master, Identity: identity, Now: d.options.Now})
	d.authority.Store(authority)
	return authority, nil
}

// Close closes all databases, when the calls under way have ended, and the folder. A change
// under way is finished before.
func (d *Dir) Close() error {
	d.changing.Lock()
	defer d.changing.Unlock()
	d.isClosed = true
	return errors.Join(d.pool.Close(), d.control.Close())
}

// check fails if the folder cannot be used: if the control database cannot be read, or if a
// database that is open found that the disk is full or read-only, which the others will find
// too. Of what ails the file of one database its log and its clients are told; for that, the
// server must not be taken away from all others.
func (d *Dir) check(ctx context.Context) error {
	if err := d.control.Check(ctx); err != nil {
		return err
	}
	d.mu.Lock()
	open := slices.Collect(maps.Values(d.open))
	d.mu.Unlock()
	for _, backend := range open {
		err := backend.Trouble()
		if errors.Is(err, protocol.ErrDiskFull) || errors.Is(err, protocol.ErrDiskReadOnly) {
			return err
		}
	}
	return nil
}
