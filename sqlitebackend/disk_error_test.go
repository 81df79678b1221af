package sqlitebackend_test

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
	"github.com/mattn/go-sqlite3"
)

func TestDiskError(t *testing.T) {
	t.Parallel()
	ioError := func(errno syscall.Errno) error {
		return sqlite3.Error{Code: sqlite3.ErrIoErr, ExtendedCode: sqlite3.ErrIoErrWrite, SystemErrno: errno}
	}
	for name, c := range map[string]struct {
		err, want error
	}{
		"none":                 {nil, nil},
		"another":              {errors.New("another"), nil},
		"SQLite is full":       {sqlite3.Error{Code: sqlite3.ErrFull}, protocol.ErrDiskFull},
		"no space":             {ioError(syscall.ENOSPC), protocol.ErrDiskFull},
		"no space to open":     {sqlite3.Error{Code: sqlite3.ErrCantOpen, SystemErrno: syscall.ENOSPC}, protocol.ErrDiskFull},
		"quota":                {ioError(syscall.EDQUOT), protocol.ErrDiskFull},
		"read-only":            {sqlite3.Error{Code: sqlite3.ErrReadonly}, protocol.ErrDiskReadOnly},
		"read-only disk":       {ioError(syscall.EROFS), protocol.ErrDiskReadOnly},
		"I/O":                  {ioError(syscall.EIO), protocol.ErrDiskFailing},
		"I/O, cause not known": {ioError(0), protocol.ErrDiskFailing},
		"no memory":            {sqlite3.Error{Code: sqlite3.ErrIoErr, ExtendedCode: sqlite3.ErrIoErrNoMem}, nil},
		"moved":                {sqlite3.Error{Code: sqlite3.ErrReadonly, ExtendedCode: sqlite3.ErrReadonlyDbMoved}, protocol.ErrFileMoved},
		"busy":                 {sqlite3.Error{Code: sqlite3.ErrBusy}, nil},
		"damaged":              {sqlite3.Error{Code: sqlite3.ErrCorrupt}, nil},
		"cannot be opened":     {sqlite3.Error{Code: sqlite3.ErrCantOpen, SystemErrno: syscall.EMFILE}, nil},
		"of the system":        {&fs.PathError{Op: "open", Err: syscall.EROFS}, protocol.ErrDiskReadOnly},
		"known already":        {protocol.ErrFileMoved, protocol.ErrFileMoved},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := c.err
			if err != nil {
				err = fmt.Errorf("write: %w", errors.Join(err, errors.New("and then")))
			}
			if got := sqlitebackend.DiskError(err); got != c.want { //nolint:errorlint // the sentinel itself
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}
