package protocol

import "time"

// The limits of a request. All are inclusive: a request at the limit is served,
// one above it is refused.
const (
	// MaxWriteKeyBytes is the longest key that can be stored, a versionstamp
	// suffix included.
	MaxWriteKeyBytes = 2048

	// MaxReadKeyBytes is the longest key in a read range, check or watch: one
	// more than can be stored, because clients read the key k as the range from
	// k to k followed by a zero byte.
	MaxReadKeyBytes = MaxWriteKeyBytes + 1

	// MaxValueBytes is the longest value, in its encoded form.
	MaxValueBytes = 65536

	// MaxReadRanges is the number of ranges in a snapshot read.
	MaxReadRanges = 10

	// MaxReadEntries is the number of entries that the ranges of a snapshot read
	// may ask for together.
	MaxReadEntries = 1000

	// MaxChecks is the number of checks in an atomic write.
	MaxChecks = 100

	// MaxMutations is the number of mutations and enqueues in an atomic write.
	MaxMutations = 1000

	// MaxAtomicWriteBytes is the total of all keys, values and sum bounds in an
	// atomic write, checks included.
	MaxAtomicWriteBytes = 819200

	// MaxWatchedKeys is the number of keys in a watch.
	MaxWatchedKeys = 10
)

// The limits of a request body. Each holds the largest valid request of its
// kind with room to spare, so that what is merely over one of the limits above
// is told so, and only what cannot be valid is refused unread.
const (
	MaxMetadataBodyBytes     = 16 << 10
	MaxSnapshotReadBodyBytes = 64 << 10
	MaxAtomicWriteBodyBytes  = 1 << 20
	MaxWatchBodyBytes        = 32 << 10
)

// BodyTimeout is how long a request body may take to arrive.
const BodyTimeout = 15 * time.Second

// StallTimeout is how long a client may leave a reply, or the news of a watch, before that
// is ended. Programs may open a watch and not read it for a while: clients open one that has
// ended anew, without a word, when it is read again.
const StallTimeout = 5 * time.Minute

// WatchKeepAlive is the longest silence on a watch stream: after it an empty
// frame tells proxies and clients that the stream is alive.
const WatchKeepAlive = 5 * time.Second
