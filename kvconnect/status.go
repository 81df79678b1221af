package kvconnect

import (
	"errors"
	"net/http"

	"github.com/kvconnect/kvconnect/protocol"
)

// statuses is the one table from error to HTTP status. Clients of Deno throw a
// 4xx to the program with the text of the error, and repeat a request for ever
// that gets a 5xx: what would fail again in the same way must not be one.
var statuses = []struct {
	err    error
	status int
}{
	{protocol.ErrMalformedRequest, http.StatusBadRequest},
	{protocol.ErrProtocolVersion, http.StatusBadRequest},
	{protocol.ErrKeyEmpty, http.StatusBadRequest},
	{protocol.ErrKeyTooLong, http.StatusBadRequest},
	{protocol.ErrValueMissing, http.StatusBadRequest},
	{protocol.ErrValueTooLong, http.StatusBadRequest},
	{protocol.ErrUnknownEncoding, http.StatusBadRequest},
	{protocol.ErrInvalidValue, http.StatusBadRequest},
	{protocol.ErrUnknownMutation, http.StatusBadRequest},
	{protocol.ErrInvalidVersionstamp, http.StatusBadRequest},
	{protocol.ErrInvalidExpireAt, http.StatusBadRequest},
	{protocol.ErrInvalidReadLimit, http.StatusBadRequest},
	{protocol.ErrTooManyReadRanges, http.StatusBadRequest},
	{protocol.ErrTooManyReadEntries, http.StatusBadRequest},
	{protocol.ErrTooManyChecks, http.StatusBadRequest},
	{protocol.ErrTooManyMutations, http.StatusBadRequest},
	{protocol.ErrAtomicWriteTooLarge, http.StatusBadRequest},
	{protocol.ErrTooManyWatchedKeys, http.StatusBadRequest},
	{protocol.ErrTypeMismatch, http.StatusBadRequest},
	{protocol.ErrEnqueueUnsupported, http.StatusBadRequest},
	{protocol.ErrInvalidDatabaseID, http.StatusBadRequest},
	{protocol.ErrInvalidHost, http.StatusBadRequest},
	{protocol.ErrUnauthenticated, http.StatusUnauthorized},
	{protocol.ErrInvalidAccessToken, http.StatusUnauthorized},
	{protocol.ErrInvalidDataPathToken, http.StatusUnauthorized},
	{protocol.ErrTokenMistyped, http.StatusUnauthorized},
	{protocol.ErrTokenRevoked, http.StatusUnauthorized},
	{protocol.ErrTokenExpired, http.StatusUnauthorized},
	{protocol.ErrReadOnlyToken, http.StatusForbidden},
	{protocol.ErrUnknownDatabase, http.StatusNotFound},
	{protocol.ErrNotFound, http.StatusNotFound},
	{protocol.ErrMethodNotAllowed, http.StatusMethodNotAllowed},
	{protocol.ErrBodyTimeout, http.StatusRequestTimeout},
	{protocol.ErrBodyTooLarge, http.StatusRequestEntityTooLarge},
	{protocol.ErrDatabaseFull, http.StatusRequestEntityTooLarge},
	{protocol.ErrTooManyRequests, http.StatusTooManyRequests},
	{protocol.ErrTooManyWatches, http.StatusTooManyRequests},
	{protocol.ErrDamaged, http.StatusUnprocessableEntity},
	{protocol.ErrUnavailable, http.StatusServiceUnavailable},
}

func statusOf(err error) int {
	for _, row := range statuses {
		if errors.Is(err, row.err) {
			return row.status
		}
	}
	return http.StatusInternalServerError
}

// replyText is what the client is told, which becomes the message of an exception
// in the user's program. Of a fault of the server it may not know much; the log
// has the rest.
func replyText(err error, status int) string {
	var mismatch *protocol.MutationTypeError
	switch {
	case errors.As(err, &mismatch):
		return mismatch.Text // the reference server's words and no others
	case errors.Is(err, protocol.ErrDamaged):
		return protocol.ErrDamaged.Error()
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
