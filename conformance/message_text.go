package conformance

import (
	"encoding/hex"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxTextBytes is how much of a long value is shown.
const maxTextBytes = 64

// messageText gives a request or a reply as people read it: in the manner of
// prototext, with each part on a line of its own and bytes in hexadecimal.
func messageText(message proto.Message) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n", message.ProtoReflect().Descriptor().Name())
	eachField(message.ProtoReflect(), func(name string, value any) { fmt.Fprintf(&out, "  %s: %v\n", name, value) })
	return out.String()
}

// eachField calls f for each value that is set, in the order of the schema.
func eachField(message protoreflect.Message, f func(name string, value any)) {
	fields := message.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		name, value := string(field.Name()), message.Get(field)
		switch {
		case !message.Has(field):
		case field.IsList():
			for j := range value.List().Len() {
				f(fmt.Sprintf("%s[%d]", name, j), fieldText(field, value.List().Get(j)))
			}
		default:
			f(name, fieldText(field, value))
		}
	}
	if unknown := message.GetUnknown(); len(unknown) > 0 {
		f("unknown fields", bytesText(unknown))
	}
}

func fieldText(field protoreflect.FieldDescriptor, value protoreflect.Value) string {
	switch field.Kind() {
	case protoreflect.MessageKind:
		var parts []string
		eachField(value.Message(), func(name string, value any) { parts = append(parts, fmt.Sprintf("%s: %v", name, value)) })
		return "{" + strings.Join(parts, ", ") + "}"
	case protoreflect.EnumKind:
		if known := field.Enum().Values().ByNumber(value.Enum()); known != nil {
			return string(known.Name())
		}
		return fmt.Sprint(value.Enum())
	case protoreflect.BytesKind:
		return bytesText(value.Bytes())
	default:
		return value.String()
	}
}

func bytesText(data []byte) string {
	if len(data) > maxTextBytes {
		return fmt.Sprintf("%x... (%d bytes)", data[:maxTextBytes], len(data))
	}
	return hex.EncodeToString(data)
}
