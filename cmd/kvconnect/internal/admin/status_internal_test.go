package admin

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"testing"

	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/datadir"
	"github.com/kvconnect/kvconnect/control"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// Each error that an operation can fail with, and that would come again, has a status that
// says so.
func TestStatusOf(t *testing.T) {
	t.Parallel()
	for status, errs := range map[int][]error{
		http.StatusBadRequest: {
			errMalformed, access.ErrInvalidLimits, access.ErrUnknownScope, control.ErrInvalidName, control.ErrInvalidNote,
			control.ErrInvalidExpiry, datadir.ErrNoFile,
		},
		http.StatusUnauthorized:          {errUnauthorized},
		http.StatusForbidden:             {fs.ErrPermission},
		http.StatusNotFound:              {control.ErrNoDatabase, control.ErrNoToken, protocol.ErrUnknownDatabase, fs.ErrNotExist},
		http.StatusConflict:              {control.ErrNameTaken, control.ErrDatabaseExists, control.ErrTokenExists, sqlitebackend.ErrFileInUse, fs.ErrExist},
		http.StatusRequestEntityTooLarge: {errTooLarge},
		http.StatusUnprocessableEntity: {
			sqlitebackend.ErrSchema, sqlitebackend.ErrDamagedFile, auth.ErrSecrets, auth.ErrInvalidKeys, control.ErrInvalidKeys,
			control.ErrDamaged, protocol.ErrDamaged,
		},
		http.StatusServiceUnavailable:  {control.ErrClosed, protocol.ErrUnavailable, protocol.ErrClosed, protocol.ErrNoRoom},
		http.StatusInternalServerError: {errors.New("the disk is full")},
	} {
		for _, err := range errs {
			if got := statusOf(fmt.Errorf("do something: %w", err)); got != status {
				t.Errorf("%v: status %d, want %d", err, got, status)
			}
		}
	}
	// Of a file that cannot be reached the reason comes after what it means.
	err := fmt.Errorf("%w: %w", protocol.ErrUnavailable, fs.ErrPermission)
	if got := statusOf(err); got != http.StatusServiceUnavailable {
		t.Errorf("%v: status %d", err, got)
	}
}
