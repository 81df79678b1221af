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

// A column is its type in a byte, the length of its content, and the content.
const (
	typeBytes   = 1
	lengthBytes = 4
)

// Types of columns, as SQLite numbers them.
const (
	typeInteger = 1
	typeBlob    = 4
)

// Integer gives the next column; ok is false if that is no integer.
func (r *Rows) Integer() (n int64, ok bool) {
	columnType, content := r.next()
	if columnType != typeInteger {
		return 0, false
	}
	return int64(binary.NativeEndian.Uint64(content)), true //nolint:gosec // as it was packed
}

// Blob gives the next column, which shares its memory with all others; ok is false if
// it is no blob.
func (r *Rows) Blob() (b []byte, ok bool) {
	columnType, content := r.next()
	if columnType != typeBlob {
		return nil, false
	}
	return content, true
}

func (r *Rows) next() (columnType byte, content []byte) {
	n := binary.NativeEndian.Uint32(r.rest[typeBytes:])
	columnType, content = r.rest[0], r.rest[typeBytes+lengthBytes:]
	content, r.rest = content[:n:n], content[n:]
	return columnType, content
}
