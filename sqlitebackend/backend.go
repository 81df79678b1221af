package sqlitebackend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/protocol"
)

// Options says how a database is opened.
type Options struct {
	// Path of the file; relative to the working directory if not absolute.
	// Unless ReadOnly is set, a file that is not there is made.
	Path string
	// NewDatabaseID is the id of a database that has none yet, because its file is new or
	// from elsewhere; a random one if it is zero.
	NewDatabaseID uuid.UUID
	// ReadOnly opens the file for reading only. It must exist and have the
	// tables of a current Deno KV database.
	ReadOnly bool
	// Durability says what a power cut may cost; DurabilityFull if empty.
	Durability Durability
	// ReadConns is the number of snapshot reads served at once; 0 for one
	// that fits the machine. One connection is opened at first, others when
	// they are needed.
	ReadConns int
	// CacheBytes is how much memory the page caches of the database may take
	// together; 0 for 64 MiB that writes use and 16 MiB for each of ReadConns.
	// It is taken as it is needed. A connection has 64 KiB at least, and some
	// memory beside its cache, about 0.1 MB.
	CacheBytes int64
	// MaxFileBytes is as for SetMaxFileBytes.
	MaxFileBytes int64
	// Clock is the system's if nil.
	Clock Clock
	// Logger gets what no caller can be told; it is discarded if nil.
	Logger *slog.Logger
	// Observer is told what the database does; nil for nobody.
	Observer Observer
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
	keys   *keyCount
	logger *slog.Logger
	// observer is never nil.
	observer Observer

	readFaults *readFaults

	// announcedMs is the time up to which watchers were told of expiries, and
	// sweepKeys how many keys are deleted at once. They belong to the expiry loop.
	announcedMs int64
	sweepKeys   int64

	closeOnce sync.Once
	closeErr  error
}

// DatabaseID is the id that clients know the database by. It stays with the file.
func (b *Backend) DatabaseID() uuid.UUID { return b.id }

// Path is the absolute path of the file.
func (b *Backend) Path() string { return b.path }

// SnapshotRead gives the entries of all ranges as of one point in time, which is
// not before any write acknowledged earlier.
func (b *Backend) SnapshotRead(ctx context.Context, read protocol.SnapshotRead) (protocol.SnapshotReadOutput, error) {
	output, err := b.reads.snapshotRead(ctx, read)
	return output, b.readFaults.note(err)
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

// Trouble tells why writes fail at the moment, while reads may go on; nil if it knows of no
// reason. The error wraps protocol.ErrDiskFull, ErrDiskReadOnly, ErrDiskFailing or
// ErrFileMoved. It stays until something that changes nothing could be written and synced,
// which is tried every second. Trouble itself looks, whenever it is called, whether the file
// is where it was opened, and whether one write is under way that was so 10 seconds ago. It
// does not wait for the disk: what it looks at is in the memory of the system for as long as
// the file is open.
func (b *Backend) Trouble() error {
	if b.writer == nil {
		return nil
	}
	if err := b.writer.trouble.current(); err != nil {
		return err
	}
	b.writer.trouble.note(b.writer.file.check(), 0)
	if err := b.writer.trouble.current(); err != nil {
		return err
	}
	return b.writer.stuck.check(b.writer.queue.turn())
}

// Close waits for the requests under way, writes the WAL back into the file and
// closes it. Requests that come later, and watches, get protocol.ErrClosed. A
// further call gives the result of the first.
func (b *Backend) Close() error {
	b.closeOnce.Do(func() {
		b.keys.close()
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
