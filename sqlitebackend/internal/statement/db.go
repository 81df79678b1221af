package statement

// #include <stdlib.h>
// #include "statement.h"
import "C"

import (
	"errors"
	"fmt"
	"reflect"
	"syscall"
	"unsafe"

	"github.com/mattn/go-sqlite3"
)

// DB is a connection of the driver as SQLite knows it.
type DB struct {
	handle   *C.sqlite3
	walPages *C.int // nil until CountWAL was called
}

// errNoHandle: the driver does not give its handle away, and keeps it elsewhere now.
var errNoHandle = errors.New("the SQLite driver is of a version that this program was not made for")

// Of gives the DB of a connection, which must be open for as long as the DB is used.
func Of(conn *sqlite3.SQLiteConn) (*DB, error) {
	field := reflect.ValueOf(conn).Elem().FieldByName("db")
	if field.Kind() != reflect.Pointer || field.Type().Elem().Name() != "_Ctype_struct_sqlite3" || field.IsNil() {
		return nil, errNoHandle
	}
	return &DB{handle: (*C.sqlite3)(field.UnsafePointer())}, nil
}

// CountWAL makes WALPages tell, and ends the checkpoints that SQLite makes by itself
// on this connection.
func (db *DB) CountWAL() {
	if db.walPages == nil {
		db.walPages = (*C.int)(C.calloc(1, C.sizeof_int))
	}
	C.kv_count_wal(db.handle, db.walPages)
}

// WALPages is the number of pages in the WAL after the last commit of this
// connection, 0 before the first.
func (db *DB) WALPages() int {
	if db.walPages == nil {
		return 0
	}
	return int(*db.walPages)
}

// KeepWAL makes the end of the connection leave the WAL as it is.
func (db *DB) KeepWAL() error {
	if code := C.kv_keep_wal(db.handle); code != C.SQLITE_OK {
		return db.lastError(code)
	}
	return nil
}

// Release frees what the DB holds. The connection must be closed.
func (db *DB) Release() {
	C.free(unsafe.Pointer(db.walPages))
	db.walPages = nil
}

// lastError gives the error of the call that returned code, as the driver would.
func (db *DB) lastError(code C.int) error {
	// Ours, of which the connection knows nothing.
	if code == C.SQLITE_NOMEM || code == C.SQLITE_TOOBIG {
		return sqlite3.Error{Code: sqlite3.ErrNo(code)}
	}
	extended := C.sqlite3_extended_errcode(db.handle)
	err := sqlite3.Error{Code: sqlite3.ErrNo(extended & 0xff), ExtendedCode: sqlite3.ErrNoExtended(extended)}
	message := C.GoString(C.sqlite3_errmsg(db.handle))
	isExplained := message == err.Error()
	if err.Code == sqlite3.ErrCantOpen || err.Code == sqlite3.ErrIoErr {
		err.SystemErrno = syscall.Errno(C.sqlite3_system_errno(db.handle)) // with other codes it is of no use
	}
	if !isExplained {
		return fmt.Errorf("%w (%s)", err, message)
	}
	return err
}
