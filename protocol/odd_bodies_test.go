package protocol_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// oddBodies makes request bodies that no client sends, most of which a decoder must
// take all the same: fields come twice, in any order, among unknown ones and in
// groups, and numbers are longer than they need be.
type oddBodies struct {
	*rand.Rand
	// spoiled bodies have faults: other wire types, varints and lengths that are
	// wrong, groups that do not end.
	spoiled bool
}

func pick[T any](o oddBodies, choices ...T) T { return choices[o.IntN(len(choices))] }

// body gives a request of a type. The number of its parts is often at a limit.
func (o oddBodies) body(request protoreflect.MessageDescriptor) []byte {
	out := o.message(request)
	for range pick(o, 0, 0, 1, 2) {
		part := o.field(request.Fields().Get(o.IntN(request.Fields().Len())))
		n := pick(o, 1, 2, 9, 10, 11)
		if len(part) < 1000 && o.IntN(8) == 0 {
			n = pick(o, 12, 13, 99, 100, 101, 999, 1000, 1001)
		}
		out = append(out, slices.Repeat(part, n)...)
	}
	if o.spoiled && o.IntN(4) == 0 {
		out = out[:o.IntN(len(out)+1)]
	}
	return out
}

func (o oddBodies) message(d protoreflect.MessageDescriptor) []byte {
	var fields [][]byte
	for i := range d.Fields().Len() {
		if o.IntN(8) > 0 {
			fields = append(fields, o.field(d.Fields().Get(i)))
		}
	}
	for o.IntN(3) == 0 {
		fields = append(fields, o.extra(d))
	}
	if len(fields) > 0 && o.IntN(4) == 0 {
		fields = append(fields, pick(o, fields...))
	}
	if o.IntN(2) == 0 {
		o.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	}
	return slices.Concat(fields...)
}

// extra gives a field that the message has no need of.
func (o oddBodies) extra(d protoreflect.MessageDescriptor) []byte {
	known := d.Fields().Get(o.IntN(d.Fields().Len()))
	if o.spoiled && o.IntN(3) == 0 {
		return o.fault(known.Number())
	}
	if o.IntN(2) == 0 {
		return o.field(known)
	}
	unknown := pick[protowire.Number](o, 8, 9, 15, 16, 100, 19_000, protowire.MaxValidNumber)
	if number := protowire.Number(1 + o.IntN(7)); d.Fields().ByNumber(number) == nil {
		unknown = number
	}
	return o.unknown(unknown)
}

func (o oddBodies) unknown(number protowire.Number) []byte {
	switch o.IntN(5) {
	case 0:
		return o.varint(protowire.AppendTag(nil, number, protowire.VarintType))
	case 1:
		return protowire.AppendFixed32(protowire.AppendTag(nil, number, protowire.Fixed32Type), o.Uint32())
	case 2:
		return protowire.AppendFixed64(protowire.AppendTag(nil, number, protowire.Fixed64Type), o.Uint64())
	case 3:
		return field(nil, number, make([]byte, o.IntN(20)))
	default:
		out := protowire.AppendTag(nil, number, protowire.StartGroupType)
		for o.IntN(3) > 0 {
			// Inside of a group, numbers beyond the highest are let through.
			out = append(out, o.unknown(pick(o, 1, 2, 3, number, protowire.MaxValidNumber+1))...)
		}
		return protowire.AppendTag(out, number, protowire.EndGroupType)
	}
}

// fault gives a field with the number of a known one for which a body is refused,
// most of the time.
func (o oddBodies) fault(number protowire.Number) []byte {
	switch o.IntN(9) {
	case 0:
		return protowire.AppendTag(nil, number, protowire.EndGroupType)
	case 1:
		return protowire.AppendTag(nil, number, protowire.StartGroupType)
	case 2:
		return protowire.AppendTag(nil, number, protowire.Type(6+o.IntN(2)))
	case 3:
		return o.unknown(pick[protowire.Number](o, protowire.MaxValidNumber+1, 1<<31-1))
	case 4:
		return protowire.AppendVarint(nil, pick[uint64](o, 0, 2, 1<<34, 1<<34|2, 1<<63)) // a tag
	case 5:
		tag := protowire.AppendTag(nil, number, pick(o, protowire.VarintType, protowire.BytesType))
		return append(tag, pick(o, "\x80", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")...)
	case 6:
		return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.BytesType), pick[uint64](o, 1, 100, 1<<31, 1<<63, 1<<64-1))
	case 7:
		out := make([]byte, o.IntN(8))
		for i := range out {
			out[i] = byte(o.Uint32())
		}
		return out
	default:
		return o.unknown(number)
	}
}

// field gives a field as the schema has it.
func (o oddBodies) field(d protoreflect.FieldDescriptor) []byte {
	tag := func(wireType protowire.Type) []byte { return protowire.AppendTag(nil, d.Number(), wireType) }
	switch {
	case d.Name() == "enqueues" && o.IntN(8) > 0:
		return nil // or most writes would be refused for them
	case d.Kind() == protoreflect.MessageKind:
		return field(nil, d.Number(), o.message(d.Message()))
	case d.Kind() == protoreflect.BytesKind:
		return field(nil, d.Number(), make([]byte, o.length(string(d.Name()))))
	case d.IsList() && o.IntN(2) == 0: // packed
		var numbers []byte
		for range o.IntN(4) {
			numbers = o.varint(numbers)
		}
		if o.spoiled && o.IntN(4) == 0 {
			numbers = append(numbers, 0x80)
		}
		return protowire.AppendBytes(tag(protowire.BytesType), numbers)
	default:
		return o.varint(tag(protowire.VarintType))
	}
}

// length gives that of a bytes field, which is one at a limit now and then.
func (o oddBodies) length(name string) int {
	usual := 1
	switch name {
	case "versionstamp":
		usual = pick(o, 0, 10)
	case "data":
		usual = 8
	}
	if o.IntN(8) > 0 {
		return usual
	}
	return pick(o, 0, 0, 7, 9, 11, 2026, 2027, 2048, 2049, 2050, 65_536, 65_537)
}

// varint appends a number, which is a valid one in most fields.
func (o oddBodies) varint(out []byte) []byte {
	value := uint64(1 + o.IntN(3))
	if o.IntN(8) == 0 {
		value = pick[uint64](o, 0, 4, 5, 6, 9, 990, 1000, 1001, 1<<31-1, 1<<31, 1<<32, 1<<32+1, 1<<63-1, 1<<63, 1<<64-2, 1<<64-1)
	}
	out = protowire.AppendVarint(out, value)
	if free := 9 - protowire.SizeVarint(value); free > 0 && o.IntN(8) == 0 {
		out[len(out)-1] |= 0x80
		out = append(append(out, slices.Repeat([]byte{0x80}, o.IntN(free))...), 0)
	}
	return out
}

func FuzzDecodeOddBodies(f *testing.F) {
	for seed := range uint64(1000) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		o := oddBodies{Rand: rand.New(rand.NewPCG(seed, 0)), spoiled: seed%2 == 1}
		for _, name := range []string{"snapshot read", "atomic write", "watch"} {
			body := o.body(decoders[name].request.ProtoReflect().Descriptor())
			_, err := decoders[name].decode(body)
			if err != nil && !slices.ContainsFunc(refusals, func(refusal error) bool { return errors.Is(err, refusal) }) {
				t.Errorf("%s of %x: %v", name, body[:min(len(body), 1000)], err)
			}
		}
	})
}
