package v8value

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"slices"
)

// reader takes the parts of the format that hold no others from the front of its
// data.
type reader struct {
	data []byte
	pos  int
}

func (r *reader) invalid(format string, args ...any) error {
	return fmt.Errorf("%w: at byte %d: %s", ErrInvalid, r.pos, fmt.Sprintf(format, args...))
}

func (r *reader) cutShort() error { return r.invalid("it is cut short") }

func (r *reader) remaining() int { return len(r.data) - r.pos }

func (r *reader) byte() (byte, error) {
	if r.remaining() == 0 {
		return 0, r.cutShort()
	}
	r.pos++
	return r.data[r.pos-1], nil
}

// peekTag gives the next tag without taking it.
func (r *reader) peekTag() (tag byte, ok bool) {
	for r.remaining() > 0 && r.data[r.pos] == tagPadding {
		r.pos++
	}
	if r.remaining() == 0 {
		return 0, false
	}
	return r.data[r.pos], true
}

// skipTag takes the next tag if it is the given one.
func (r *reader) skipTag(tag byte) bool {
	next, ok := r.peekTag()
	if !ok || next != tag {
		return false
	}
	r.pos++
	return true
}

// uint32 takes a number of 7 bits a byte, the least significant first. Bits beyond
// the 32nd have no place in the result and are dropped, as V8 does.
func (r *reader) uint32() (uint32, error) {
	var n uint32
	for shift := 0; shift < 35; shift += 7 {
		b, err := r.byte()
		if err != nil {
			return 0, err
		}
		n |= uint32(b&0x7f) << shift
		if b < 0x80 {
			break
		}
	}
	return n, nil
}

// int32 takes a number whose sign is in its lowest bit.
func (r *reader) int32() (int32, error) {
	n, err := r.uint32()
	return int32(n>>1) ^ -int32(n&1), err
}

func (r *reader) double() (float64, error) {
	raw, err := r.bytes(8)
	if err != nil {
		return 0, err
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(raw)), nil
}

// bytes takes n bytes, which stay part of the data.
func (r *reader) bytes(n uint32) ([]byte, error) {
	if uint64(n) > uint64(r.remaining()) { //nolint:gosec // never negative
		return nil, r.cutShort()
	}
	r.pos += int(n)
	return r.data[r.pos-int(n) : r.pos], nil
}

// block takes a length and that many bytes.
func (r *reader) block() ([]byte, error) {
	n, err := r.uint32()
	if err != nil {
		return nil, err
	}
	return r.bytes(n)
}

// text takes a string after its tag.
func (r *reader) text(tag byte) (string, error) {
	raw, err := r.block()
	if err != nil {
		return "", err
	}
	switch tag {
	case tagLatin1String:
		return fromLatin1(raw), nil
	case tagUTF16String:
		if len(raw)%2 != 0 {
			return "", r.invalid("half a character at the end of a string")
		}
		return fromUTF16(raw), nil
	default:
		return fromUTF8(raw), nil
	}
}

// taggedText takes a string with its tag.
func (r *reader) taggedText() (string, error) {
	r.peekTag() // skips padding
	tag, err := r.byte()
	if err != nil {
		return "", err
	}
	if tag != tagLatin1String && tag != tagUTF16String && tag != tagUTF8String {
		return "", r.invalid("%q where a string must be", tag)
	}
	return r.text(tag)
}

func (r *reader) bigInt() (*big.Int, error) {
	header, err := r.uint32()
	if err != nil {
		return nil, err
	}
	digits, err := r.bytes(header >> 1 & bigIntMaxBytes)
	if err != nil {
		return nil, err
	}
	negative := header&bigIntSign != 0
	if negative && len(digits) == 0 {
		return nil, r.invalid("a negative bigint of no digits")
	}
	magnitude := slices.Clone(digits)
	slices.Reverse(magnitude)
	n := new(big.Int).SetBytes(magnitude)
	if negative {
		n.Neg(n)
	}
	return n, nil
}
