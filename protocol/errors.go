package protocol

import "errors"

// What a client can do wrong. The text of an error is the body of the reply and
// reaches the user's program as its exception, so it says what to do.
var (
	// ErrMalformedRequest: the body is not the protobuf or JSON that the call takes.
	ErrMalformedRequest = errors.New("the request body cannot be decoded")

	// ErrProtocolVersion: no version in common, or none named on the data path.
	ErrProtocolVersion = errors.New("unsupported KV Connect protocol version: this server speaks versions 1, 2 and 3")

	// ErrKeyEmpty: a key of no bytes in a check, mutation or watch.
	ErrKeyEmpty = errors.New("the key is empty: a key has at least one part")

	// ErrKeyTooLong: above MaxWriteKeyBytes or MaxReadKeyBytes.
	ErrKeyTooLong = errors.New("the key is too long")

	// ErrValueMissing: a mutation that needs a value has none.
	ErrValueMissing = errors.New("the mutation has no value")

	// ErrValueTooLong: above MaxValueBytes.
	ErrValueTooLong = errors.New("the value is too long: store it in parts, or store a reference to it")

	// ErrUnknownEncoding: a value encoding that the schema does not name.
	ErrUnknownEncoding = errors.New("unknown value encoding: it must be VE_V8 (1), VE_LE64 (2) or VE_BYTES (3)")

	// ErrInvalidValue: the bytes of a value do not fit its encoding.
	ErrInvalidValue = errors.New("a VE_LE64 value has exactly 8 bytes")

	// ErrUnknownMutation: a mutation type that the schema does not name.
	ErrUnknownMutation = errors.New("unknown mutation type: the server may be older than the client")

	// ErrInvalidVersionstamp: a length other than 0 and 10.
	ErrInvalidVersionstamp = errors.New("a versionstamp has exactly 10 bytes, or none to check that a key is absent")

	// ErrInvalidExpireAt: a negative time other than -1.
	ErrInvalidExpireAt = errors.New("expire_at_ms must be a time after the Unix epoch in milliseconds, or 0 for none")

	// ErrInvalidReadLimit: a range that asks for less than one entry.
	ErrInvalidReadLimit = errors.New("the limit of a read range must be at least 1")

	// ErrTooManyReadRanges: above MaxReadRanges.
	ErrTooManyReadRanges = errors.New("too many read ranges in one snapshot read: split it")

	// ErrTooManyReadEntries: above MaxReadEntries.
	ErrTooManyReadEntries = errors.New("the read ranges ask for too many entries in one snapshot read: use a smaller limit or batchSize")

	// ErrTooManyChecks: above MaxChecks.
	ErrTooManyChecks = errors.New("too many checks in one atomic write")

	// ErrTooManyMutations: above MaxMutations.
	ErrTooManyMutations = errors.New("too many mutations in one atomic write: split it")

	// ErrAtomicWriteTooLarge: above MaxAtomicWriteBytes.
	ErrAtomicWriteTooLarge = errors.New("the atomic write is too large: split it")

	// ErrTooManyWatchedKeys: above MaxWatchedKeys.
	ErrTooManyWatchedKeys = errors.New("too many keys in one watch: open several watches")

	// ErrTypeMismatch: a sum, min or max whose operand or stored value has the
	// wrong type, or whose result is out of its bounds. See MutationTypeError for
	// the text.
	ErrTypeMismatch = errors.New("the mutation does not fit the type of the value")

	// ErrEnqueueUnsupported: the write enqueues messages.
	ErrEnqueueUnsupported = errors.New("queues are not served here: remove the call of enqueue from the atomic write")

	// ErrBodyTooLarge: the request body is larger than any valid request.
	ErrBodyTooLarge = errors.New("the request body is too large")

	// ErrBodyTimeout: the request body took longer than BodyTimeout to arrive.
	ErrBodyTimeout = errors.New("the request body did not arrive in time: send it again")

	// ErrUnauthenticated: no credentials, or not in the form "Bearer <token>".
	ErrUnauthenticated = errors.New("no token: send the header \"Authorization: Bearer <token>\" (Deno takes it from DENO_KV_ACCESS_TOKEN)")

	// ErrInvalidAccessToken: the token of a metadata exchange is not known.
	ErrInvalidAccessToken = errors.New("invalid access token: set DENO_KV_ACCESS_TOKEN to a token that kvconnect has printed, or to the one that it was given")

	// ErrInvalidDataPathToken: the token of a data path call is not one that
	// this server issued for the database, or has expired.
	ErrInvalidDataPathToken = errors.New("invalid or expired data path token: open the database again to get a new one")

	// ErrTokenRevoked: the access token was revoked, or its database deleted.
	ErrTokenRevoked = errors.New("the access token was revoked: ask the operator of the server for a new one")

	// ErrTokenExpired: the access token has expired.
	ErrTokenExpired = errors.New("the access token has expired: ask the operator of the server for a new one")

	// ErrTokenMistyped: the access token looks like one of this server, but its
	// checksum does not fit.
	ErrTokenMistyped = errors.New("the access token is mistyped or cut off, its checksum does not fit: copy it again, whole")

	// ErrReadOnlyToken: an atomic write with a token of the scope read.
	ErrReadOnlyToken = errors.New("this access token may only read: to write, open the database with a token of the scope write")

	// ErrTooManyRequests: above the quota of the token or the database.
	ErrTooManyRequests = errors.New("too many requests")

	// ErrTooManyWatches: above the quota of the token or the database.
	ErrTooManyWatches = errors.New("too many open watches")

	// ErrDatabaseFull: the write would make the file grow beyond its maximum size.
	ErrDatabaseFull = errors.New("the database has reached its maximum size: delete what is not needed, or ask the operator of the server for more space")

	// ErrInvalidDatabaseID: the database id of a data path call is missing or no UUID.
	ErrInvalidDatabaseID = errors.New("the database id is missing or malformed: send the id from the metadata exchange in x-denokv-database-id (version 1: x-transaction-domain-id)")

	// ErrUnknownDatabase: no database of that id is served here.
	ErrUnknownDatabase = errors.New("no such database: open it again, and check the URL")

	// ErrInvalidHost: the request does not say under which address the client
	// reached the server.
	ErrInvalidHost = errors.New("the request has no usable Host header: set --public-url on the server")

	// ErrNotFound: no such path.
	ErrNotFound = errors.New("no such path: KV Connect clients use the URL of the server without a path")

	// ErrMethodNotAllowed: the path is right, the method is not.
	ErrMethodNotAllowed = errors.New("method not allowed")
)

// What can go wrong on the server's side.
var (
	// ErrUnavailable: the request could not be served now and may be tried
	// again as it is.
	ErrUnavailable = errors.New("the database is not available at the moment: try again")

	// ErrDamaged: the file holds something that cannot be read as an entry, and
	// will tomorrow. It has a 4xx all the same, because clients repeat a 5xx for
	// ever.
	ErrDamaged = errors.New("the database is damaged where this request reads: restore it from a backup, or see the log of the server")

	// ErrDiskFull: there is no room for a write on the disk of the server. This and the next
	// three have a 4xx, so that the program is told: an operator has to do something first.
	ErrDiskFull = errors.New("the disk of the server is full: nothing was written; reads go on, and writes do when the operator of the server has made room")

	// ErrDiskReadOnly: the file system, or the file, can only be read any more.
	ErrDiskReadOnly = errors.New("the file system of the server is read-only: nothing was written; reads go on, and writes do when the operator of the server has put that right")

	// ErrDiskFailing: the disk fails to read or to write, or does not say that it has written.
	ErrDiskFailing = errors.New("the disk of the server reports errors: this request failed; ask the operator of the server to look at the disk and the log")

	// ErrFileMoved: another file, or none, is where the database was opened.
	ErrFileMoved = errors.New("the file of the database was moved, removed or replaced while the server had it open: nothing was written; " +
		"ask the operator of the server to put it back, or to restart the server")

	// ErrClosed: the backend was closed. It is an ErrUnavailable.
	ErrClosed error = unavailableError("the database is closed")

	// ErrNoRoom: too many other databases are in use. It is an ErrUnavailable.
	ErrNoRoom error = unavailableError("too many databases are in use at the moment")

	// ErrNoIdentityKeys: an access token of the identity provider cannot be checked,
	// because its keys could not be read since the start. It is an ErrUnavailable.
	ErrNoIdentityKeys error = unavailableError("the keys of the identity provider have not arrived yet")
)

// unavailableError is an ErrUnavailable of which is known why.
type unavailableError string

func (e unavailableError) Error() string      { return string(e) }
func (unavailableError) Is(target error) bool { return target == ErrUnavailable }

// MutationTypeError is an ErrTypeMismatch. Its text is the reference server's to
// the letter, because programs match on it, and is therefore given without
// context.
type MutationTypeError struct {
	// Text is the whole message.
	Text string
}

// Error implements error.
func (e *MutationTypeError) Error() string { return e.Text }

// Is makes errors.Is(e, ErrTypeMismatch) true.
func (e *MutationTypeError) Is(target error) bool { return target == ErrTypeMismatch }
