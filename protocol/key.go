package protocol

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
)

// Key is a key as programs write it: a list of parts, each one of []byte,
// string, float64, *big.Int or bool. Encoded keys compare as bytes in the order
// of Deno KV: part by part, and []byte < string < bigint < number < bool.
type Key []any

// ErrInvalidKey is returned for a key that has no encoding, and for bytes that
// encode none.
var ErrInvalidKey = errors.New("invalid key")

// The first byte of an encoded part. A bigint of n <= 8 bytes has tagBigIntZero
// plus or minus n, a longer one has a tag and a length of its own.
const (
	tagBytes       = 0x01
	tagString      = 0x02
	tagBigIntLong  = 0x1d
	tagBigIntZero  = 0x14
	tagBigIntLongN = 0x0b // negative
	tagNumber      = 0x21
	tagFalse       = 0x26
	tagTrue        = 0x27

	terminator = 0x00
	escape     = 0xff // follows a zero byte that is not the terminator

	maxShortBigIntBytes = 8
	maxBigIntBytes      = 255

	signBit = 1 << 63
	// nanBits is a NaN without payload. JavaScript has one with the sign bit too,
	// which processors give for 0/0, and Deno stores it as another key.
	nanBits = 0x7ff8 << 48
)

// Encode gives the bytes under which the key is stored. It fails with
// ErrInvalidKey for an empty key, a part of another type, and a bigint of more
// than 255 bytes. It does not check the length of the result.
func (k Key) Encode() ([]byte, error) {
	if len(k) == 0 {
		return nil, fmt.Errorf("%w: it has no parts", ErrInvalidKey)
	}
	var out []byte
	for i, part := range k {
		switch part := part.(type) {
		case []byte:
			out = appendEscaped(append(out, tagBytes), part)
		case string:
			out = appendEscaped(append(out, tagString), []byte(part))
		case *big.Int:
			var err error
			if out, err = appendBigInt(out, part); err != nil {
				return nil, fmt.Errorf("part %d: %w", i, err)
			}
		case float64:
			out = appendNumber(append(out, tagNumber), part)
		case bool:
			tag := byte(tagFalse)
			if part {
				tag = tagTrue
			}
			out = append(out, tag)
		default:
			return nil, fmt.Errorf("part %d: %w: a part cannot be a %T", i, ErrInvalidKey, part)
		}
	}
	return out, nil
}

// DecodeKey reads an encoded key. The result shares no memory with raw. Bytes
// that no key encodes to give ErrInvalidKey.
func DecodeKey(raw []byte) (Key, error) {
	var key Key
	for rest := raw; len(rest) > 0; {
		part, n, err := decodePart(rest)
		if err != nil {
			return nil, fmt.Errorf("at byte %d: %w", len(raw)-len(rest), err)
		}
		key = append(key, part)
		rest = rest[n:]
	}
	if len(key) == 0 {
		return nil, fmt.Errorf("%w: it has no parts", ErrInvalidKey)
	}
	return key, nil
}

// versionstampSuffixBytes is what VersionstampedKey adds: a tag, two digits for
// each byte, a terminator.
const versionstampSuffixBytes = 1 + 2*VersionstampBytes + 1

// VersionstampedKey gives the encoded key followed by a string part, the 20
// hexadecimal digits of v. The result shares no memory with key.
func VersionstampedKey(key []byte, v Versionstamp) []byte {
	out := make([]byte, 0, len(key)+versionstampSuffixBytes)
	out = append(append(out, key...), tagString)
	out = append(out, v.String()...)
	return append(out, terminator)
}

func appendEscaped(out, data []byte) []byte {
	for _, b := range data {
		out = append(out, b)
		if b == terminator {
			out = append(out, escape)
		}
	}
	return append(out, terminator)
}

// appendNumber maps floats to bytes that compare as the floats do: a positive
// one gets its sign bit set, a negative one has all bits turned over.
func appendNumber(out []byte, f float64) []byte {
	bits := math.Float64bits(f)
	if math.IsNaN(f) {
		bits = bits&signBit | nanBits // Go's NaN has a payload, JavaScript's has none
	}
	if bits&signBit != 0 {
		bits = ^bits
	} else {
		bits |= signBit
	}
	return binary.BigEndian.AppendUint64(out, bits)
}

func appendBigInt(out []byte, n *big.Int) ([]byte, error) {
	magnitude := n.Bytes()
	size := len(magnitude)
	if size > maxBigIntBytes {
		return nil, fmt.Errorf("%w: a bigint has at most %d bytes, not %d", ErrInvalidKey, maxBigIntBytes, size)
	}
	negative := n.Sign() < 0
	if negative {
		invert(magnitude)
	}
	switch {
	case size <= maxShortBigIntBytes && negative:
		out = append(out, byte(tagBigIntZero-size))
	case size <= maxShortBigIntBytes:
		out = append(out, byte(tagBigIntZero+size))
	case negative:
		out = append(out, tagBigIntLongN, ^byte(size))
	default:
		out = append(out, tagBigIntLong, byte(size))
	}
	return append(out, magnitude...), nil
}

func invert(data []byte) {
	for i := range data {
		data[i] = ^data[i]
	}
}

// decodePart reads the part at the start of raw, which is not empty, and tells
// how many bytes it took.
func decodePart(raw []byte) (part any, n int, err error) {
	switch tag := raw[0]; {
	case tag == tagBytes:
		data, n, err := decodeEscaped(raw[1:])
		return data, 1 + n, err
	case tag == tagString:
		data, n, err := decodeEscaped(raw[1:])
		return string(data), 1 + n, err
	case tag >= tagBigIntLongN && tag <= tagBigIntLong:
		return decodeBigInt(raw)
	case tag == tagNumber:
		if len(raw) < 9 {
			return nil, 0, fmt.Errorf("%w: a number is cut short", ErrInvalidKey)
		}
		number, err := decodeNumber(binary.BigEndian.Uint64(raw[1:]))
		return number, 9, err
	case tag == tagFalse, tag == tagTrue:
		return tag == tagTrue, 1, nil
	default:
		return nil, 0, fmt.Errorf("%w: no part begins with the byte 0x%02x", ErrInvalidKey, tag)
	}
}

func decodeEscaped(raw []byte) (data []byte, n int, err error) {
	data = []byte{}
	for {
		zero := bytes.IndexByte(raw[n:], terminator)
		if zero < 0 {
			return nil, 0, fmt.Errorf("%w: a string or byte array is not terminated", ErrInvalidKey)
		}
		data = append(data, raw[n:n+zero]...)
		n += zero + 1
		if n == len(raw) || raw[n] != escape {
			return data, n, nil
		}
		data = append(data, terminator)
		n++
	}
}

func decodeNumber(bits uint64) (float64, error) {
	if bits&signBit != 0 {
		bits &^= signBit
	} else {
		bits = ^bits
	}
	f := math.Float64frombits(bits)
	if math.IsNaN(f) && bits&^signBit != nanBits {
		return 0, fmt.Errorf("%w: a NaN has a payload", ErrInvalidKey)
	}
	return f, nil
}

func decodeBigInt(raw []byte) (part any, n int, err error) {
	tag := raw[0]
	negative := tag < tagBigIntZero
	header, size := 1, int(tag)-tagBigIntZero
	if negative {
		size = -size
	}
	if tag == tagBigIntLong || tag == tagBigIntLongN {
		if len(raw) < 2 {
			return nil, 0, fmt.Errorf("%w: a bigint is cut short", ErrInvalidKey)
		}
		header, size = 2, int(raw[1])
		if negative {
			size = int(^raw[1])
		}
		if size <= maxShortBigIntBytes {
			return nil, 0, fmt.Errorf("%w: a short bigint in the form of a long one", ErrInvalidKey)
		}
	}
	n = header + size
	if len(raw) < n {
		return nil, 0, fmt.Errorf("%w: a bigint is cut short", ErrInvalidKey)
	}
	magnitude := slices.Clone(raw[header:n])
	if negative {
		invert(magnitude)
	}
	if size > 0 && magnitude[0] == 0 {
		return nil, 0, fmt.Errorf("%w: a bigint has a leading zero", ErrInvalidKey)
	}
	value := new(big.Int).SetBytes(magnitude)
	if negative {
		value.Neg(value)
	}
	return value, n, nil
}
