package kvconnect

import (
	"errors"
	"net/http"

	"github.com/kvconnect/kvconnect/protocol"
)

// statuses is the one table from error to HTTP status; the first row that fits counts. Clients of Deno throw a
// 4xx to the program with the text of the error, and repeat a request for ever
// that gets a 5xx: what would fail again in the same way must not be one.
var statuses = []struct {
	err    error
	status int
	reason string // for the log and the observer
}{
	{protocol.ErrMalformedRequest, http.StatusBadRequest, "malformed_request"},
	{protocol.ErrProtocolVersion, http.StatusBadRequest, "protocol_version"},
	{protocol.ErrKeyEmpty, http.StatusBadRequest, "key_empty"},
	{protocol.ErrKeyTooLong, http.StatusBadRequest, "key_too_long"},
	{protocol.ErrValueMissing, http.StatusBadRequest, "value_missing"},
	{protocol.ErrValueTooLong, http.StatusBadRequest, "value_too_long"},
	{protocol.ErrUnknownEncoding, http.StatusBadRequest, "unknown_encoding"},
	{protocol.ErrInvalidValue, http.StatusBadRequest, "invalid_value"},
	{protocol.ErrUnknownMutation, http.StatusBadRequest, "unknown_mutation"},
	{protocol.ErrInvalidVersionstamp, http.StatusBadRequest, "invalid_versionstamp"},
	{protocol.ErrInvalidExpireAt, http.StatusBadRequest, "invalid_expire_at"},
	{protocol.ErrInvalidReadLimit, http.StatusBadRequest, "invalid_read_limit"},
	{protocol.ErrTooManyReadRanges, http.StatusBadRequest, "too_many_read_ranges"},
	{protocol.ErrTooManyReadEntries, http.StatusBadRequest, "too_many_read_entries"},
	{protocol.ErrTooManyChecks, http.StatusBadRequest, "too_many_checks"},
	{protocol.ErrTooManyMutations, http.StatusBadRequest, "too_many_mutations"},
	{protocol.ErrAtomicWriteTooLarge, http.StatusBadRequest, "atomic_write_too_large"},
	{protocol.ErrTooManyWatchedKeys, http.StatusBadRequest, "too_many_watched_keys"},
	{protocol.ErrTypeMismatch, http.StatusBadRequest, "type_mismatch"},
	{protocol.ErrEnqueueUnsupported, http.StatusBadRequest, "enqueue_unsupported"},
	{protocol.ErrInvalidDatabaseID, http.StatusBadRequest, "invalid_database_id"},
	{protocol.ErrInvalidHost, http.StatusBadRequest, "invalid_host"},
	{protocol.ErrUnauthenticated, http.StatusUnauthorized, "unauthenticated"},
	{protocol.ErrInvalidAccessToken, http.StatusUnauthorized, "invalid_access_token"},
	{protocol.ErrInvalidDataPathToken, http.StatusUnauthorized, "invalid_data_path_token"},
	{protocol.ErrTokenMistyped, http.StatusUnauthorized, "token_mistyped"},
	{protocol.ErrTokenRevoked, http.StatusUnauthorized, "token_revoked"},
	{protocol.ErrTokenExpired, http.StatusUnauthorized, "token_expired"},
	{protocol.ErrReadOnlyToken, http.StatusForbidden, "read_only_token"},
	{protocol.ErrUnknownDatabase, http.StatusNotFound, "unknown_database"},
	{protocol.ErrNotFound, http.StatusNotFound, "not_found"},
	{protocol.ErrMethodNotAllowed, http.StatusMethodNotAllowed, "method_not_allowed"},
	{protocol.ErrBodyTimeout, http.StatusRequestTimeout, "body_timeout"},
	{protocol.ErrBodyTooLarge, http.StatusRequestEntityTooLarge, "body_too_large"},
	{protocol.ErrDatabaseFull, http.StatusRequestEntityTooLarge, "database_full"},
	{protocol.ErrTooManyRequests, http.StatusTooManyRequests, "too_many_requests"},
	{protocol.ErrTooManyWatches, http.StatusTooManyRequests, "too_many_watches"},
	{protocol.ErrDamaged, http.StatusUnprocessableEntity, "damaged"},
	// 507 says what a full disk is, and would leave programs waiting without a word. 413 is
	// for what is too large, which these writes are not.
	{protocol.ErrDiskFull, http.StatusUnprocessableEntity, "disk_full"},
	{protocol.ErrDiskReadOnly, http.StatusUnprocessableEntity, "disk_read_only"},
	{protocol.ErrDiskFailing, http.StatusUnprocessableEntity, "disk_failing"},
	{protocol.ErrFileMoved, http.StatusUnprocessableEntity, "file_moved"},
	{errDraining, http.StatusServiceUnavailable, "draining"},
	{errOverloaded, http.StatusServiceUnavailable, "overloaded"},
	{protocol.ErrClosed, http.StatusServiceUnavailable, "closed"},
	{protocol.ErrNoRoom, http.StatusServiceUnavailable, "no_room"},
	{protocol.ErrNoIdentityKeys, http.StatusServiceUnavailable, "no_identity_keys"},
	{protocol.ErrUnavailable, http.StatusServiceUnavailable, "unavailable"},
}

// thrownFaults are faults of the server of which programs are told with a 4xx.
var thrownFaults = []error{
	protocol.ErrDamaged, protocol.ErrDiskFull, protocol.ErrDiskReadOnly, protocol.ErrDiskFailing, protocol.ErrFileMoved,
}

// The reasons of failures that have no row in the table.
const (
	reasonInternal = "internal"
	reasonPanic    = "panic"
	reasonGivenUp  = "given_up" // by the client
)

// Reasons are all that a Request may have.
func Reasons() []string {
	reasons := []string{reasonInternal, reasonPanic, reasonGivenUp}
	for _, row := range statuses {
		reasons = append(reasons, row.reason)
	}
	return reasons
}

func statusOf(err error) (status int, reason string) {
	for _, row := range statuses {
		if errors.Is(err, row.err) {
			return row.status, row.reason
		}
	}
	return http.StatusInternalServerError, reasonInternal
}

// replyText is what the client is told, which becomes the message of an exception
// in the user's program. Of a fault of the server it may not know much; the log
// has the rest.
func replyText(err error, status int) string {
	for _, fault := range thrownFaults {
		if errors.Is(err, fault) {
			return fault.Error()
		}
	}
	var mismatch *protocol.MutationTypeError
	switch {
	case errors.As(err, &mismatch):
		return mismatch.Text // the reference server's words and no others
	case status < http.StatusInternalServerError:
		return err.Error()
	case errors.Is(err, errDraining):
		return errDraining.Error()
	case errors.Is(err, protocol.ErrUnavailable):
		return protocol.ErrUnavailable.Error()
	default:
		return "internal error: the log of the server tells more"
	}
}
