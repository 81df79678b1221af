package protocol_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// decoders give what each decoder makes of a body, in a form to compare.
var decoders = map[string]struct {
	request proto.Message
	decode  func(body []byte) (any, error)
}{
	"snapshot read": {&datapath.SnapshotRead{}, func(body []byte) (any, error) { return decodeSnapshotRead(body) }},
	"atomic write":  {&datapath.AtomicWrite{}, func(body []byte) (any, error) { return decodeAtomicWrite(body) }},
	"watch":         {&datapath.Watch{}, func(body []byte) (any, error) { return decodeWatch(body) }},
}

// field appends a field whose content has a length: a message, or bytes.
func field(out []byte, number protowire.Number, content []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(out, number, protowire.BytesType), content)
}

// A body that ends too early is refused, or means what is there of it: it never
// becomes another request.
func TestBodiesThatAreCutShort(t *testing.T) {
	t.Parallel()
	// Each part is one field of the request.
	parts := map[string][]proto.Message{
		"snapshot read": {
			&datapath.SnapshotRead{Ranges: []*datapath.ReadRange{{Start: []byte("a"), End: []byte("b"), Limit: 300, Reverse: true}}},
			&datapath.SnapshotRead{Ranges: []*datapath.ReadRange{{End: []byte{0xff}, Limit: 1}}},
		},
		"atomic write": {
			&datapath.AtomicWrite{Checks: []*datapath.Check{{Key: []byte("a"), Versionstamp: filled(10)}}},
			&datapath.AtomicWrite{Checks: []*datapath.Check{{Key: []byte("b")}}},
			write(set([]byte("a"), filled(200))),
			write(&datapath.Mutation{
				Key: []byte("n"), MutationType: datapath.MutationType_M_SUM, ExpireAtMs: 1 << 40,
				Value: &datapath.KvValue{Data: filled(8), Encoding: datapath.ValueEncoding_VE_LE64},
			}),
			write(&datapath.Mutation{Key: []byte("d"), MutationType: datapath.MutationType_M_DELETE}),
		},
		"watch": {
			&datapath.Watch{Keys: []*datapath.WatchKey{{Key: []byte("a")}}},
			&datapath.Watch{Keys: []*datapath.WatchKey{{Key: filled(2049)}}},
		},
	}
	for name, d := range decoders {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var body []byte
			whole := map[int]any{} // what the body means up to the end of a part
			for i := range len(parts[name]) + 1 {
				want, err := d.decode(body)
				if err != nil {
					t.Fatal(err)
				}
				whole[len(body)] = want
				if i < len(parts[name]) {
					body = append(body, marshal(t, parts[name][i])...)
				}
			}
			for n := range body {
				got, err := d.decode(body[:n])
				want, ok := whole[n]
				if !ok {
					if !errors.Is(err, protocol.ErrMalformedRequest) {
						t.Errorf("%d of %d bytes: %v, %v; want ErrMalformedRequest", n, len(body), got, err)
					}
					continue
				}
				if diff := cmp.Diff(want, got); diff != "" || err != nil {
					t.Errorf("%d of %d bytes: %v (-want +got):\n%s", n, len(body), err, diff)
				}
			}
		})
	}
}

// unknownFields are fields of every wire type that no schema names.
func unknownFields() []byte {
	out := protowire.AppendVarint(protowire.AppendTag(nil, 100, protowire.VarintType), 1<<63)
	out = protowire.AppendFixed32(protowire.AppendTag(out, 101, protowire.Fixed32Type), 1)
	out = protowire.AppendFixed64(protowire.AppendTag(out, 102, protowire.Fixed64Type), 1)
	out = field(out, 103, []byte("\xff\xfe no UTF-8"))
	out = field(out, protowire.MaxValidNumber, nil)
	// The fields in a group are not those of the message around it.
	out = protowire.AppendTag(out, 104, protowire.StartGroupType)
	out = field(out, 1, []byte("x"))
	return protowire.AppendTag(out, 104, protowire.EndGroupType)
}

func TestOddButValidBodies(t *testing.T) {
	t.Parallel()
	key, v := []byte("key"), filled(10)
	value := marshal(t, &datapath.KvValue{Data: []byte("v"), Encoding: datapath.ValueEncoding_VE_BYTES})
	mutation := marshal(t, set(key, []byte("v")))
	check := marshal(t, &datapath.Check{Key: key, Versionstamp: v})
	readRange := marshal(t, &datapath.ReadRange{Start: key, Limit: 5})
	unknown := unknownFields()
	wantWrite := protocol.AtomicWrite{
		Checks: []protocol.Check{{Key: key, Versionstamp: protocol.Versionstamp(v)}},
		Mutations: []protocol.Mutation{{
			Type: protocol.MutationSet, Key: key, Value: protocol.Value{Data: []byte("v"), Encoding: protocol.EncodingBytes},
		}},
	}
	wantSet := protocol.AtomicWrite{Checks: []protocol.Check{}, Mutations: wantWrite.Mutations}
	wantRead := protocol.SnapshotRead{Ranges: []protocol.ReadRange{{Start: key, Limit: 5}}}
	varint := func(number protowire.Number, n uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), n)
	}
	for name, c := range map[string]struct {
		decoder string
		body    []byte
		want    any
	}{
		"unknown fields in a write": {
			"atomic write",
			slices.Concat(unknown, field(nil, 1, slices.Concat(unknown, check)), unknown, field(nil, 2, slices.Concat(
				marshal(t, &datapath.Mutation{Key: key, MutationType: datapath.MutationType_M_SET}), unknown,
				field(nil, 2, slices.Concat(unknown, value, unknown)),
			)), unknown), wantWrite,
		},
		"unknown fields in a read": {
			"snapshot read", slices.Concat(unknown, field(nil, 1, slices.Concat(readRange, unknown)), unknown), wantRead,
		},
		"unknown fields in a watch": {
			"watch", slices.Concat(unknown, field(nil, 1, slices.Concat(unknown, field(nil, 1, key), unknown)), unknown), protocol.Watch{Keys: [][]byte{key}},
		},
		"mutations before checks":     {"atomic write", field(field(nil, 2, mutation), 1, check), wantWrite},
		"the last key counts":         {"atomic write", field(nil, 2, slices.Concat(field(nil, 1, []byte("x")), mutation)), wantSet},
		"the last type counts":        {"atomic write", field(nil, 2, slices.Concat(varint(3, 2), mutation)), wantSet},
		"the last expiry counts":      {"atomic write", field(nil, 2, slices.Concat(varint(4, 7), mutation, varint(4, 0))), wantSet},
		"the last limit counts":       {"snapshot read", field(nil, 1, slices.Concat(varint(3, 7), readRange)), wantRead},
		"the parts of a value add up": {"atomic write", field(nil, 2, slices.Concat(field(nil, 2, field(nil, 1, []byte("x"))), mutation)), wantSet},
		"fields in any order": {
			"atomic write", field(nil, 2, slices.Concat(varint(3, 1), field(nil, 2, slices.Concat(varint(2, 3), field(nil, 1, []byte("v")))), field(nil, 1, key))), wantSet,
		},
		"a varint longer than need be": {
			"snapshot read", field(nil, 1, slices.Concat(field(nil, 1, key), []byte{3 << 3, 0x85, 0x80, 0x80, 0x00})), wantRead,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := decoders[c.decoder].decode(c.body)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// mistyped gives messages of a type in which one field has a wire type that the
// schema does not give it, with the name of the field.
func mistyped(descriptor protoreflect.MessageDescriptor) map[string][]byte {
	bodies := map[string][]byte{}
	for i := range descriptor.Fields().Len() {
		f := descriptor.Fields().Get(i)
		for name, raw := range map[string][]byte{
			"varint":  protowire.AppendVarint(protowire.AppendTag(nil, f.Number(), protowire.VarintType), 1),
			"fixed32": protowire.AppendFixed32(protowire.AppendTag(nil, f.Number(), protowire.Fixed32Type), 1),
			"fixed64": protowire.AppendFixed64(protowire.AppendTag(nil, f.Number(), protowire.Fixed64Type), 1),
			"bytes":   field(nil, f.Number(), nil),
			"group":   protowire.AppendTag(protowire.AppendTag(nil, f.Number(), protowire.StartGroupType), f.Number(), protowire.EndGroupType),
		} {
			hasLength := f.Kind() == protoreflect.BytesKind || f.Kind() == protoreflect.MessageKind
			if name == "bytes" && (hasLength || f.IsPacked()) || name == "varint" && !hasLength {
				continue // this is the right one
			}
			bodies[string(f.Name())+" as "+name] = raw
		}
		if f.Message() == nil {
			continue
		}
		for name, raw := range mistyped(f.Message()) {
			bodies[string(f.Name())+"."+name] = field(nil, f.Number(), raw)
		}
	}
	return bodies
}

// The decoder of protobuf leaves such a field out; a check that is left out would be
// a check that holds.
func TestFieldsOfAnotherWireType(t *testing.T) {
	t.Parallel()
	for name, d := range decoders {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bodies := mistyped(d.request.ProtoReflect().Descriptor())
			if len(bodies) < 8 {
				t.Errorf("there are only %d such bodies", len(bodies))
			}
			for field, body := range bodies {
				if got, err := d.decode(body); !errors.Is(err, protocol.ErrMalformedRequest) {
					t.Errorf("%s: %v, %v; want ErrMalformedRequest", field, got, err)
				}
			}
		})
	}
}

func TestMalformedBodies(t *testing.T) {
	t.Parallel()
	tag := protowire.AppendTag(nil, 1, protowire.BytesType)
	length := func(n uint64) []byte { return protowire.AppendVarint(slices.Clone(tag), n) }
	inside := func(raw []byte) []byte { return field(nil, 1, raw) }
	group := func(kind protowire.Type) []byte { return protowire.AppendTag(nil, 100, kind) }
	for name, body := range map[string][]byte{
		"text":                        []byte("garbage"),
		"a tag alone":                 tag,
		"length of 2^31":              length(1 << 31),
		"length of 2^32":              length(1 << 32),
		"length of 2^63":              length(1 << 63),
		"length of 2^64 - 1":          length(1<<64 - 1),
		"length of 2^31 in a part":    inside(length(1 << 31)),
		"length of 2^64-1 in a part":  inside(length(1<<64 - 1)),
		"length of more than 64 bits": append(slices.Clone(tag), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f),
		"length without end":          append(slices.Clone(tag), bytes.Repeat([]byte{0x80}, 100)...),
		"field 0":                     {0, 0},
		"field above the highest":     protowire.AppendVarint(protowire.AppendVarint(nil, uint64(protowire.MaxValidNumber+1)<<3), 0),
		"wire type 6":                 {1<<3 | 6, 0},
		"wire type 7 in a part":       inside([]byte{1<<3 | 7, 0}),
		"group that does not end":     group(protowire.StartGroupType),
		"group that does not begin":   group(protowire.EndGroupType),
		"group with another end":      append(group(protowire.StartGroupType), protowire.AppendTag(nil, 101, protowire.EndGroupType)...),
		"group in a part":             inside(group(protowire.StartGroupType)),
		"groups in groups, for ever":  bytes.Repeat(group(protowire.StartGroupType), 500_000),
		"groups in groups, too deep":  append(bytes.Repeat(group(protowire.StartGroupType), 20_000), bytes.Repeat(group(protowire.EndGroupType), 20_000)...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for call, d := range decoders {
				if got, err := d.decode(body); !errors.Is(err, protocol.ErrMalformedRequest) {
					t.Errorf("%s: %v, %v; want ErrMalformedRequest", call, got, err)
				}
			}
		})
	}
}

// Clients may write keys that are no encoding of parts. They are bytes to the server.
func TestKeysAreTakenAsTheyAre(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"\x00", "\xff", "\x02no end", "\x02\xc3\x28\x00", "\x15\x00", "\xee\xee"} {
		body := marshal(t, &datapath.AtomicWrite{
			Checks:    []*datapath.Check{{Key: []byte(key)}},
			Mutations: []*datapath.Mutation{set([]byte(key), nil)},
		})
		w, err := decodeAtomicWrite(body)
		if err != nil {
			t.Errorf("%q: %v", key, err)
			continue
		}
		if string(w.Checks[0].Key) != key || string(w.Mutations[0].Key) != key {
			t.Errorf("%q became %q and %q", key, w.Checks[0].Key, w.Mutations[0].Key)
		}
	}
}
