package statement

import "encoding/binary"

// Rows are what a run gave, to be read column by column, in order.
type Rows struct {
	// Count is the number of rows.
	Count int
	// Changed is the number of rows of the table that an insert, update or delete
	// changed.
	Changed int

	rest []byte
}

// columnHeaderBytes is the type of a column, and an integer or the length of the
// bytes that follow.
const columnHeaderBytes = 16

// Types of columns, as SQLite numbers them.
const (
	typeInteger = 1
	typeBlob    = 4
)

// Integer gives the next column; ok is false if that is no integer.
func (r *Rows) Integer() (n int64, ok bool) {
	columnType, n, _ := r.next()
	return n, columnType == typeInteger
}

// Blob gives the next column, which shares its memory with all others; ok is false if
// it is no blob.
func (r *Rows) Blob() (b []byte, ok bool) {
	columnType, _, b := r.next()
	return b, columnType == typeBlob
}

func (r *Rows) next() (columnType, n int64, b []byte) {
	columnType = int64(binary.NativeEndian.Uint64(r.rest)) //nolint:gosec // as it was packed
	n = int64(binary.NativeEndian.Uint64(r.rest[8:]))      //nolint:gosec // as it was packed
	r.rest = r.rest[columnHeaderBytes:]
	if columnType == typeBlob {
		b, r.rest = r.rest[:n:n], r.rest[n:]
	}
	return columnType, n, b
}
