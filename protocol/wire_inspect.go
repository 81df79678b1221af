package protocol

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// inspect tells whether a request and its parts are well-formed, and counts its
// fields by their number. It allocates nothing, so that the number of parts, which
// may take many times their encoded size in memory, is checked before they are
// decoded. The fields of a malformed request are counted as far as they can be told
// apart.
//
// A field that the schema knows must have the wire type that the schema gives it,
// where other decoders leave such a field out: a check that is left out would be a
// check that holds. Fields that the schema does not know are skipped.
func (s *messageShape) inspect(request []byte) (counts [maxRequestField + 1]int, wellFormed bool) {
	wellFormed = true
	for rest := request; len(rest) > 0; {
		var field wireField
		field, rest = nextField(rest)
		if field.number <= maxRequestField {
			counts[field.number]++
		}
		wellFormed = wellFormed && s.accepts(field)
	}
	return counts, wellFormed
}

// acceptsAll tells whether a part is well-formed.
func (s *messageShape) acceptsAll(part []byte) bool {
	for rest := part; len(rest) > 0; {
		var field wireField
		field, rest = nextField(rest)
		if !s.accepts(field) {
			return false
		}
	}
	return true
}

// accepts tells whether a field has the form that it must have. The zero wireField
// has none.
func (s *messageShape) accepts(field wireField) bool {
	if field.number > maxRequestField {
		return field.number.IsValid()
	}
	switch shape := &s[field.number]; shape.kind {
	case varintField:
		return field.wireType == protowire.VarintType
	case varintsField:
		return field.wireType == protowire.VarintType || field.wireType == protowire.BytesType && areVarints(field.bytes)
	case bytesField:
		return field.wireType == protowire.BytesType
	case messageField:
		return field.wireType == protowire.BytesType && shape.part.acceptsAll(field.bytes)
	default:
		return field.number.IsValid()
	}
}

func areVarints(packed []byte) bool {
	for len(packed) > 0 {
		_, n := protowire.ConsumeVarint(packed)
		if n < 0 {
			return false
		}
		packed = packed[n:]
	}
	return true
}

// malformed names the message that a body should have been. What is wrong with the
// bytes would tell the user of a client nothing.
func malformed(op string, message proto.Message) error {
	return fmt.Errorf("%s: %w as the protobuf message %s", op, ErrMalformedRequest, message.ProtoReflect().Descriptor().FullName())
}
