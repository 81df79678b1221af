package kvconnect

import (
	"context"
	"time"

	"github.com/google/uuid"
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

// Authenticator knows who may do what. It is safe for concurrent use.
type Authenticator interface {
	// VerifyAccessToken checks the token of a metadata exchange. It fails with
	// protocol.ErrInvalidAccessToken.
	VerifyAccessToken(token string) error

	// IssueDataPathToken gives a token for the data path of a database, and the
	// time to announce as its expiry. It is valid for longer than that, because
	// some clients go on with the old one while they fetch a new one.
	IssueDataPathToken(databaseID uuid.UUID) (token string, expiresAt time.Time, err error)

	// VerifyDataPathToken checks the token of a data path call on a database.
	// It fails with protocol.ErrInvalidDataPathToken.
	VerifyDataPathToken(token string, databaseID uuid.UUID) error
}
