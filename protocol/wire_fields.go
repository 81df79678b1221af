package protocol

import (
	"iter"

	"google.golang.org/protobuf/encoding/protowire"
)

// wireField is a field of an encoded message. The zero wireField is none.
type wireField struct {
	number   protowire.Number
	wireType protowire.Type
	varint   uint64 // of a protowire.VarintType
	// bytes is the content of a protowire.BytesType, nil if it is empty. It shares
	// memory with the message, but an append to it does not write there.
	bytes []byte
}

// fieldsOf goes through the fields of a message, which must be well-formed: see
// inspect.
func fieldsOf(message []byte) iter.Seq[wireField] {
	return func(yield func(wireField) bool) {
		for rest := message; len(rest) > 0; {
			var field wireField
			if field, rest = nextField(rest); !yield(field) {
				return
			}
		}
	}
}

// nextField takes the first field off what remains of a message. Where there is no
// field it gives the zero wireField and no rest. It allocates nothing, and what it
// gives fits the registers.
func nextField(message []byte) (field wireField, rest []byte) {
	tag, n := consumeVarint(message)
	number, wireType := protowire.DecodeTag(tag)
	if n < 0 || number < protowire.MinValidNumber {
		return wireField{}, nil
	}
	content := message[n:]
	field = wireField{number: number, wireType: wireType}
	switch wireType {
	case protowire.VarintType:
		field.varint, n = consumeVarint(content)
	case protowire.BytesType:
		field.bytes, n = consumeBytes(content)
	default:
		n = protowire.ConsumeFieldValue(number, wireType, content)
	}
	if n < 0 {
		return wireField{}, nil
	}
	return field, content[n:]
}

// consumeVarint is protowire.ConsumeVarint without the call for what fits in a byte,
// as most tags and lengths do.
func consumeVarint(b []byte) (value uint64, n int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	return protowire.ConsumeVarint(b)
}

func consumeBytes(content []byte) (data []byte, n int) {
	data, n = protowire.ConsumeBytes(content)
	if len(data) == 0 {
		return nil, n
	}
	return data[:len(data):len(data)], n
}

// int32 gives the value of an int32 or an enum: the low bits, whatever the others.
func (f wireField) int32() int32 { return int32(f.varint) } //nolint:gosec // protobuf truncates

// int64 gives the value of an int64.
func (f wireField) int64() int64 { return int64(f.varint) } //nolint:gosec // negative numbers come so

// bool gives the value of a bool.
func (f wireField) bool() bool { return protowire.DecodeBool(f.varint) }
