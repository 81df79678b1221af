package sqlitebackend

import (
	"errors"
	"syscall"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/mattn/go-sqlite3"
)

// diskErrors are the sentinels for what an operator must put right before writes go on.
var diskErrors = []error{protocol.ErrFileMoved, protocol.ErrDiskFull, protocol.ErrDiskReadOnly, protocol.ErrDiskFailing}

// DiskError tells which of protocol.ErrDiskFull, ErrDiskReadOnly, ErrDiskFailing and
// ErrFileMoved an error of this package stands for; nil if for none of them.
func DiskError(err error) error { return diskErrorOf(err) }

// diskErrorOf tells which of diskErrors an error stands for, be it one of SQLite or of the
// system; nil if for none.
func diskErrorOf(err error) error {
	if err == nil {
		return nil
	}
	for _, sentinel := range diskErrors {
		if errors.Is(err, sentinel) {
			return sentinel
		}
	}
	// SQLite names the error of the system if it could not open, write or sync a file.
	var sqliteErr sqlite3.Error
	var errno syscall.Errno
	if errors.As(err, &sqliteErr) {
		errno = sqliteErr.SystemErrno
	} else {
		errors.As(err, &errno)
	}
	switch {
	case sqliteErr.ExtendedCode == sqlite3.ErrReadonlyDbMoved:
		return protocol.ErrFileMoved
	case sqliteErr.ExtendedCode == sqlite3.ErrIoErrNoMem:
		return nil
	case errno == syscall.ENOSPC, errno == syscall.EDQUOT, sqliteErr.Code == sqlite3.ErrFull:
		return protocol.ErrDiskFull
	case errno == syscall.EROFS, sqliteErr.Code == sqlite3.ErrReadonly:
		return protocol.ErrDiskReadOnly
	case errno == syscall.EIO, sqliteErr.Code == sqlite3.ErrIoErr:
		return protocol.ErrDiskFailing
	default:
		return nil
	}
}
