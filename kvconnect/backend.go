package kvconnect

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/protocol"
)

// Backend keeps the data of one database. It is safe for concurrent use.
//
// The requests it gets obey the limits of package protocol. An error that wraps
// none of that package's sentinels is a fault of the server.
type Backend interface {
	// SnapshotRead gives the entries of all ranges as of one point in time,
	// which is not before any write acknowledged earlier.
	SnapshotRead(ctx context.Context, read protocol.SnapshotRead) (protocol.SnapshotReadOutput, error)

	// AtomicWrite applies the write or nothing of it, and returns once it is
	// durable. Ending ctx may keep a write from beginning but never splits it.
	AtomicWrite(ctx context.Context, write protocol.AtomicWrite) (protocol.AtomicWriteOutput, error)

	// Watch follows keys until the watcher is closed. It has changed called after
	// each commit or expiry that touches a watched key, and when the backend is
	// closed: whatever State does not show when it is asked after Watch has
	// returned, changed will tell of.
	//
	// changed may be called by any goroutine, by several at once, before Watch has
	// returned, and once too often. It must not wait, and not call the watcher or
	// the backend: a commit waits for it, and so does Close of the watcher.
	Watch(watch protocol.Watch, changed func()) (protocol.Watcher, error)

	// Close waits for the requests under way. Later ones, and watches, get
	// protocol.ErrClosed.
	Close() error
}

// TroubleTeller is what a Backend may be too, if it knows when writes fail for a while.
type TroubleTeller interface {
	// Trouble tells why writes fail at the moment, with protocol.ErrDiskFull, ErrDiskReadOnly,
	// ErrDiskFailing or ErrFileMoved; nil if it knows of no reason. It must not wait for a disk
	// that does not answer.
	Trouble() error
}

// Databases lends databases. It is safe for concurrent use.
type Databases interface {
	// Lend gives the database until it is released, and may take the time to open it. It
	// fails with protocol.ErrUnknownDatabase, with protocol.ErrUnavailable if it cannot be
	// opened now, or with the error of ctx.
	Lend(ctx context.Context, id uuid.UUID) (Database, error)

	// IsOpen tells whether Lend gives the database without waiting for anything.
	IsOpen(id uuid.UUID) bool

	// Check fails if databases cannot be served, for a reason that is not that of one
	// alone: with protocol.ErrDiskFull, ErrDiskReadOnly, ErrDiskFailing or ErrFileMoved if
	// they can be read and not written, with another error if they cannot be read.
	Check(ctx context.Context) error
}

// Database is a Backend on loan. Release gives it back, once, after the last call and
// after the last watcher is closed.
type Database interface {
	SnapshotRead(ctx context.Context, read protocol.SnapshotRead) (protocol.SnapshotReadOutput, error)
	AtomicWrite(ctx context.Context, write protocol.AtomicWrite) (protocol.AtomicWriteOutput, error)
	Watch(watch protocol.Watch, changed func()) (protocol.Watcher, error)
	Release()
}

// Authenticator knows who may do what. It is safe for concurrent use.
type Authenticator interface {
	// Authorize checks the access token of a metadata exchange and gives what it grants in
	// the database of that name or id; "" stands for the one that the token belongs to. It
	// fails with protocol.ErrInvalidAccessToken, ErrTokenMistyped, ErrTokenRevoked or
	// ErrTokenExpired, and with ErrUnknownDatabase for a database that is not there and
	// for one that the token is not for, without a difference in text or time. If it cannot
	// tell now, it fails with ErrUnavailable.
	Authorize(ctx context.Context, accessToken, database string) (*access.Grant, error)

	// IssueDataPathToken gives a token for the data path, and the time to announce as its
	// expiry. It is valid for longer than that, because some clients go on with the old
	// one while they fetch a new one.
	IssueDataPathToken(grant *access.Grant) (token string, expiresAt time.Time, err error)

	// VerifyDataPathToken gives the grant that a data path token was issued for. It fails
	// with protocol.ErrInvalidDataPathToken, ErrTokenRevoked or ErrTokenExpired.
	VerifyDataPathToken(token string) (*access.Grant, error)
}
