package protocol

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// hasMistypedField tells whether a field that the schema knows, here or in a part,
// came with another wire type. The decoder takes it for an unknown one and leaves it
// out, and a check that is left out would be a check that holds.
func hasMistypedField(message protoreflect.Message) bool {
	fields := message.Descriptor().Fields()
	for unknown := message.GetUnknown(); len(unknown) > 0; {
		number, _, n := protowire.ConsumeField(unknown)
		if n < 0 || fields.ByNumber(number) != nil {
			return true
		}
		unknown = unknown[n:]
	}
	found := false
	message.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.Message() == nil:
		case field.IsList():
			for i := range value.List().Len() {
				found = found || hasMistypedField(value.List().Get(i).Message())
			}
		default:
			found = hasMistypedField(value.Message())
		}
		return !found
	})
	return found
}
