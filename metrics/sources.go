package metrics

import (
	"time"

	"github.com/google/uuid"
)

// Sources are asked by each scrape. They are called by several goroutines at once, must not
// wait for a request, nor, but for Databases, for a disk, and may be nil: what they would tell
// is then left out.
type Sources struct {
	// Databases gives the databases that are open. It may ask the disk for their sizes: while
	// that does not answer, scrapes tell what it gave before, and that nothing is writable.
	Databases func() []Database
	// Exists tells whether there still is a database of that id; nil if none goes.
	Exists func(id uuid.UUID) bool
	// Pool is for a server that opens databases on demand.
	Pool func() Pool
	// Tokens tells how data path tokens were verified.
	Tokens func() Tokens
	// Folder tells what there is in a folder of databases.
	Folder func() Folder
	// Connections tells of those of clients.
	Connections func() Connections
	// Certificate tells when the certificate that clients are shown expires; known is false
	// if there is none yet.
	Certificate func() (notAfter time.Time, known bool)
}

// Database is what there is to know of an open database.
type Database struct {
	ID uuid.UUID
	// FileBytes and WALBytes are the sizes of its files.
	FileBytes, WALBytes int64
	// Keys is how many keys there were when they were counted last; -1 if they were not.
	Keys int64
	// ReadOnly: it was opened for reading only, so that nobody expects writes to succeed.
	ReadOnly bool
	// Unwritable: writes fail, because of the disk.
	Unwritable bool
}

// Pool is how many databases are on their way.
type Pool struct {
	Open, Opening, Closing int
	Waiting                int // for room
	MaxOpen                int
}

// Tokens is what became of data path tokens since the start, and what signs them.
type Tokens struct {
	CacheHits, CacheMisses uint64
	// SigningKeyID is the key that signs, which was made at SigningKeyCreatedAt; the zero
	// time if nobody knows.
	SigningKeyID        string
	SigningKeyCreatedAt time.Time
	// Keys is how many verify.
	Keys int
}

// Folder is what there is in a folder of databases.
type Folder struct {
	Databases    int
	AccessTokens int // those that are valid
}

// Connections is the connections of clients.
type Connections struct {
	Open int
	Max  int // 0 for no bound
	// Accepted and Refused are how many there were since the start; those beyond Max were
	// refused.
	Accepted, Refused uint64
	// Stalled is how many replies, those to watches included, were cut off since the start
	// because their clients did not take them.
	Stalled uint64
}
