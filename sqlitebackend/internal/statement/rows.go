package statement

import "encoding/binary"

// Rows are what a run gave, to be read column by column, in order.
type Rows struct {
	// Count is the number of rows.
	Count int
	// Changed is the number of rows of the table that an insert, update or delete
	// changed.
	Changed int

	packed []byte
	offset int // of the next column
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
	header := r.packed[r.offset : r.offset+typeBytes+lengthBytes]
	begin := r.offset + typeBytes + lengthBytes
	r.offset = begin + int(binary.NativeEndian.Uint32(header[typeBytes:]))
	return header[0], r.packed[begin:r.offset:r.offset]
}
