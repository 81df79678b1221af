package protocol

import (
	"encoding/binary"
	"fmt"
)

// ValueEncoding tells how the bytes of a value are to be read. The numbers are
// those of the wire and of the column v_encoding.
type ValueEncoding int32

// The encodings of a value.
const (
	// EncodingV8 is V8's ValueSerializer: any value of JavaScript.
	EncodingV8 ValueEncoding = 1
	// EncodingLE64 is an unsigned 64-bit integer, least significant byte first:
	// Deno.KvU64.
	EncodingLE64 ValueEncoding = 2
	// EncodingBytes is a Uint8Array, as it is.
	EncodingBytes ValueEncoding = 3
)

// le64Bytes is the length of a value in EncodingLE64.
const le64Bytes = 8

// Value is a stored value: at most MaxValueBytes of data that this server keeps
// as it came.
type Value struct {
	Data     []byte
	Encoding ValueEncoding
}

// U64Value gives the value of Deno.KvU64(n).
func U64Value(n uint64) Value {
	return Value{Data: binary.LittleEndian.AppendUint64(nil, n), Encoding: EncodingLE64}
}

// U64 gives the number in a value of EncodingLE64; ok is false for any other.
func (v Value) U64() (n uint64, ok bool) {
	if v.Encoding != EncodingLE64 || len(v.Data) != le64Bytes {
		return 0, false
	}
	return binary.LittleEndian.Uint64(v.Data), true
}

// Entry is a key with its value and the versionstamp of the write that made it.
type Entry struct {
	Key          []byte
	Value        Value
	Versionstamp Versionstamp
}

func checkKey(key []byte, maxBytes int) error {
	if len(key) == 0 {
		return ErrKeyEmpty
	}
	return checkKeyLength(key, maxBytes)
}

func checkKeyLength(key []byte, maxBytes int) error {
	if len(key) > maxBytes {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrKeyTooLong, len(key), maxBytes)
	}
	return nil
}
