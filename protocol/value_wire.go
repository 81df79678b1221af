package protocol

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// wireValue is a value as it came. The zero wireValue is that of a message without
// one.
type wireValue struct {
	present  bool
	data     []byte
	encoding int32
}

// merge takes over what message says. A value may come in several parts, of which
// each adds to those before it.
func (v *wireValue) merge(message []byte) {
	v.present = true
	for field := range fieldsOf(message) {
		switch field.number {
		case fieldKvValueData:
			v.data = field.bytes
		case fieldKvValueEncoding:
			v.encoding = field.int32()
		default: // unknown fields are skipped
		}
	}
}

func (v *wireValue) decode() (Value, error) {
	if !v.present {
		return Value{}, ErrValueMissing
	}
	if n := len(v.data); n > MaxValueBytes {
		return Value{}, fmt.Errorf("%w: %d bytes, at most %d", ErrValueTooLong, n, MaxValueBytes)
	}
	encoding := ValueEncoding(v.encoding)
	switch encoding {
	case EncodingV8, EncodingBytes:
	case EncodingLE64:
		if n := len(v.data); n != le64Bytes {
			return Value{}, fmt.Errorf("%w, not %d", ErrInvalidValue, n)
		}
	default:
		return Value{}, fmt.Errorf("%w, not %d", ErrUnknownEncoding, encoding)
	}
	return Value{Data: v.data, Encoding: encoding}, nil
}

// encodedSize gives the size of the message that appendField makes a part.
func (e *Entry) encodedSize() int {
	return sizeBytesField(fieldKvEntryKey, e.Key) +
		sizeBytesField(fieldKvEntryValue, e.Value.Data) +
		sizeVarintField(fieldKvEntryEncoding, e.Value.Encoding.varint()) +
		sizeBytesField(fieldKvEntryVersionstamp, e.Versionstamp[:])
}

// appendField appends the entry as a field of the given number.
func (e *Entry) appendField(out []byte, number protowire.Number) []byte {
	out = appendMessageHeader(out, number, e.encodedSize())
	out = appendBytesField(out, fieldKvEntryKey, e.Key)
	out = appendBytesField(out, fieldKvEntryValue, e.Value.Data)
	out = appendVarintField(out, fieldKvEntryEncoding, e.Value.Encoding.varint())
	return appendBytesField(out, fieldKvEntryVersionstamp, e.Versionstamp[:])
}

func (e ValueEncoding) varint() uint64 { return uint64(e) } //nolint:gosec // protobuf extends the sign
