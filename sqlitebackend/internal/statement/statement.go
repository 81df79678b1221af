package statement

// #cgo CFLAGS: -O2 -std=gnu99
// #cgo noescape kv_run
// #cgo nocallback kv_run
// #cgo noescape kv_release
// #cgo nocallback kv_release
// #include <stdlib.h>
// #include "statement.h"
import "C"

import (
	"bytes"
	"fmt"
	"unsafe"
)

// What one statement can have as parameters.
const (
	MaxBlobs    = 2
	MaxIntegers = 3
)

// keptBytes is the room for rows that a statement keeps between its runs.
const keptBytes = 256 << 10

// Statement is a prepared statement. It is not safe for concurrent use, nor is the
// connection that it belongs to.
type Statement struct {
	c        *C.kv_statement
	db       *DB
	blobs    int
	integers int
}

// Args are the parameters of a run: first the blobs, then the integers, as many of
// each as the statement takes. A nil blob is an empty one. SQLite does not change the
// bytes and keeps none of them.
type Args struct {
	Blobs    [MaxBlobs][]byte
	Integers [MaxIntegers]int64
	// NowMs is the time up to which rows have expired, in milliseconds since the Unix
	// epoch. It is for statements with an expiry column.
	NowMs int64
}

// NoColumn is the expiry column of a statement without one.
const NoColumn = C.NO_COLUMN

// Prepare gives the statement of a query whose first parameters are blobs and whose
// others are integers. Rows whose expiryColumn, counted from 0, is from 0 to Args.NowMs
// are left out, as a condition in the query would do at a higher price. The statement
// must be closed before its connection.
func (db *DB) Prepare(query string, blobs, integers, expiryColumn int) (*Statement, error) {
	if blobs > MaxBlobs || integers > MaxIntegers {
		return nil, fmt.Errorf("prepare %q: %d blobs and %d integers, at most %d and %d", query, blobs, integers, MaxBlobs, MaxIntegers)
	}
	s := &Statement{
		c:  (*C.kv_statement)(C.calloc(1, C.sizeof_kv_statement)),
		db: db, blobs: blobs, integers: integers,
	}
	text := C.CString(query)
	defer C.free(unsafe.Pointer(text))
	if code := C.kv_prepare(db.handle, text, C.int(len(query)), C.int(expiryColumn), s.c); code != C.SQLITE_OK {
		err := db.lastError(code)
		s.Close()
		return nil, fmt.Errorf("prepare %q: %w", query, err)
	}
	if n := int(C.sqlite3_bind_parameter_count(s.c.stmt)); n != blobs+integers {
		s.Close()
		return nil, fmt.Errorf("prepare %q: it has %d parameters, not %d", query, n, blobs+integers)
	}
	return s, nil
}

// Run runs the statement until it has given limit rows or has no more. A limit below
// 1 counts as 1. A statement that changes something does all of it whatever the
// limit.
func (s *Statement) Run(args Args, limit int) (Rows, error) {
	a, b := args.Blobs[0], args.Blobs[1]
	code := C.kv_run(s.c,
		C.int(s.blobs), chars(a), C.int(len(a)), chars(b), C.int(len(b)),
		C.int(s.integers), C.longlong(args.Integers[0]), C.longlong(args.Integers[1]), C.longlong(args.Integers[2]),
		C.longlong(args.NowMs), C.int(limit))
	if code != C.SQLITE_OK {
		return Rows{}, s.db.lastError(code)
	}
	if s.c.rows == 0 {
		return Rows{Changed: int(s.c.changed)}, nil
	}
	rows := Rows{Count: int(s.c.rows), Changed: int(s.c.changed), packed: bytes.Clone(unsafe.Slice((*byte)(s.c.bytes), s.c.length))}
	if s.c.capacity > keptBytes {
		C.kv_release(s.c, keptBytes)
	}
	return rows, nil
}

// chars gives the address of b as a type that holds no pointers: cgo would look for some
// behind an unsafe.Pointer, which takes longer than the call.
func chars(b []byte) *C.char { return (*C.char)(unsafe.Pointer(unsafe.SliceData(b))) }

// Close frees the statement.
func (s *Statement) Close() {
	C.kv_finalize(s.c)
	C.free(unsafe.Pointer(s.c))
	s.c = nil
}
