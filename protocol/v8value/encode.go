package v8value

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"slices"
)

// Encode writes a value in the format of Version. An Opaque is given back as it was
// stored. It fails with ErrUnencodable for what no V8 could read, such as a nil
// pointer or a property that comes twice, and with ErrTooDeep.
func Encode(value any) ([]byte, error) {
	if opaque, ok := value.(*Opaque); ok && opaque != nil {
		return slices.Clone(opaque.Data), nil
	}
	e := encoder{out: []byte{tagVersion, Version}}
	if err := e.value(value); err != nil {
		return nil, err
	}
	return e.out, nil
}

// encoder writes one value.
type encoder struct {
	out []byte
	// ids holds the number of each object that was begun.
	ids   map[any]uint32
	depth int
}

func unencodable(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnencodable, fmt.Sprintf(format, args...))
}

func (e *encoder) tag(tags ...byte) { e.out = append(e.out, tags...) }

func (e *encoder) uint32(n uint32) { e.out = binary.AppendUvarint(e.out, uint64(n)) }

// length writes the length of something.
func (e *encoder) length(n int) error {
	if uint64(n) > math.MaxUint32 { //nolint:gosec // a length
		return unencodable("%d parts, at most 2^32-1", n)
	}
	e.uint32(uint32(n)) //nolint:gosec // was checked
	return nil
}

func (e *encoder) double(f float64) {
	bits := math.Float64bits(f)
	if math.IsNaN(f) {
		bits = math.Float64bits(math.NaN()) &^ 1 // Go's NaN has a payload, JavaScript's has none
	}
	e.out = binary.LittleEndian.AppendUint64(e.out, bits)
}

func (e *encoder) value(value any) error {
	switch value := value.(type) {
	case Undefined:
		e.tag(tagUndefined)
	case Null:
		e.tag(tagNull)
	case bool:
		e.tag(choose(value, tagTrue, tagFalse))
	case float64:
		e.number(value)
	case *big.Int:
		return e.bigInt(tagBigInt, value)
	case string:
		return e.text(value)
	default:
		return e.object(value)
	}
	return nil
}

func choose(condition bool, yes, no byte) byte {
	if condition {
		return yes
	}
	return no
}

// number writes whole numbers of 32 bits in the short form.
func (e *encoder) number(f float64) {
	n := int32(f)
	if float64(n) != f || n == 0 && math.Signbit(f) {
		e.tag(tagDouble)
		e.double(f)
		return
	}
	e.tag(tagInt32)
	e.uint32(uint32(n)<<1 ^ uint32(n>>31)) //nolint:gosec // a change of meaning, not of bits
}

// bigInt fills the digits up to a multiple of eight bytes, as V8 does.
func (e *encoder) bigInt(tag byte, n *big.Int) error {
	if n == nil {
		return unencodable("a bigint that is nil")
	}
	const digitBits = 64
	size := (n.BitLen() + digitBits - 1) / digitBits * (digitBits / 8)
	return e.bigIntOfSize(tag, n, size)
}

func (e *encoder) bigIntOfSize(tag byte, n *big.Int, size int) error {
	if size > bigIntMaxBytes {
		return unencodable("a bigint of %d bytes, at most %d", size, bigIntMaxBytes)
	}
	header := uint32(size) << 1 //nolint:gosec // was checked
	if n.Sign() < 0 {
		header |= bigIntSign
	}
	e.tag(tag)
	e.uint32(header)
	digits := n.FillBytes(make([]byte, size))
	slices.Reverse(digits)
	e.out = append(e.out, digits...)
	return nil
}

// text writes a string with its tag.
func (e *encoder) text(text string) error {
	if latin1, ok := toLatin1(text); ok {
		e.tag(tagLatin1String)
		return e.block(latin1)
	}
	units, ok := toUTF16(text)
	if !ok {
		return unencodable("a string that is neither UTF-8 nor WTF-8")
	}
	// V8 takes the characters from where they lie, which must be an even place.
	header := 1 + len(binary.AppendUvarint(nil, uint64(len(units))))
	if (len(e.out)+header)%2 != 0 {
		e.tag(tagPadding)
	}
	e.tag(tagUTF16String)
	return e.block(units)
}

// block writes bytes behind their length.
func (e *encoder) block(data []byte) error {
	err := e.length(len(data))
	e.out = append(e.out, data...)
	return err
}
