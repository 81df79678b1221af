package admin

import (
	"errors"
	"io/fs"
	"net/http"

	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/datadir"
	"github.com/kvconnect/kvconnect/control"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// statuses is the one table from error to HTTP status of the admin listener.
var statuses = []struct {
	err    error
	status int
}{
	{errMalformed, http.StatusBadRequest},
	{access.ErrInvalidLimits, http.StatusBadRequest},
	{access.ErrUnknownScope, http.StatusBadRequest},
	{control.ErrInvalidName, http.StatusBadRequest},
	{control.ErrInvalidNote, http.StatusBadRequest},
	{control.ErrInvalidExpiry, http.StatusBadRequest},
	{errPastExpiry, http.StatusBadRequest},
	{datadir.ErrNoFile, http.StatusBadRequest},
	{errUnauthorized, http.StatusUnauthorized},
	{control.ErrNoDatabase, http.StatusNotFound},
	{control.ErrNoToken, http.StatusNotFound},
	{protocol.ErrUnknownDatabase, http.StatusNotFound},
	{control.ErrNameTaken, http.StatusConflict},
	{control.ErrDatabaseExists, http.StatusConflict},
	{control.ErrTokenExists, http.StatusConflict},
	{sqlitebackend.ErrFileInUse, http.StatusConflict},
	{errTooLarge, http.StatusRequestEntityTooLarge},
	{sqlitebackend.ErrSchema, http.StatusUnprocessableEntity},
	{sqlitebackend.ErrDamagedFile, http.StatusUnprocessableEntity},
	{auth.ErrSecrets, http.StatusUnprocessableEntity},
	{auth.ErrInvalidKeys, http.StatusUnprocessableEntity},
	{control.ErrInvalidKeys, http.StatusUnprocessableEntity},
	{control.ErrDamaged, http.StatusUnprocessableEntity},
	{protocol.ErrDamaged, http.StatusUnprocessableEntity},
	{control.ErrClosed, http.StatusServiceUnavailable},
	{protocol.ErrUnavailable, http.StatusServiceUnavailable},
	// Of the file that is to be adopted, mostly.
	{fs.ErrNotExist, http.StatusNotFound},
	{fs.ErrExist, http.StatusConflict},
	{fs.ErrPermission, http.StatusForbidden},
}

func statusOf(err error) int {
	for _, row := range statuses {
		if errors.Is(err, row.err) {
			return row.status
		}
	}
	return http.StatusInternalServerError
}
