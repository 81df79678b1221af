package conformance

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// reduce tells of an unexpected difference, and of the least part of the request
// that shows one in an empty database. If there is none, the request needs what
// there was before.
func (d *differential) reduce(found *finding) error {
	if found.made.request.body != nil {
		return fmt.Errorf("%s", found)
	}
	least := d.unexpected(found.made.request)
	if least == nil {
		return fmt.Errorf("%s", found)
	}
	fields := least.made.request.message.ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if !field.IsList() {
			continue
		}
		for size := least.length(field); size > 0; size /= 2 {
			for start := 0; start < least.length(field); {
				if shorter := d.unexpected(least.without(field, start, size)); shorter != nil {
					least = shorter
				} else {
					start += size
				}
			}
		}
	}
	return fmt.Errorf("%s\n\nreduced: %s", found, least)
}

// unexpected makes the request of empty databases and gives the difference that
// comes of it, nil if there is none that has no reason.
func (d *differential) unexpected(r request) *finding {
	if d.renew() != nil {
		return nil
	}
	e, err := d.exchange(r)
	if err != nil {
		return nil
	}
	found, err := d.judge(e)
	if err != nil || found == nil || found.fault != nil {
		return nil
	}
	return found
}

func (f *finding) length(field protoreflect.FieldDescriptor) int {
	return f.made.request.message.ProtoReflect().Get(field).List().Len()
}

// without gives the request without some elements of a field.
func (f *finding) without(field protoreflect.FieldDescriptor, start, size int) request {
	message := proto.Clone(f.made.request.message)
	all := f.made.request.message.ProtoReflect().Get(field).List()
	kept := message.ProtoReflect().Mutable(field).List()
	kept.Truncate(0)
	for i := range all.Len() {
		if i < start || i >= start+size {
			kept.Append(all.Get(i))
		}
	}
	return request{method: f.made.request.method, message: message}
}
