package protocol

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/kvconnect/kvconnect/protocol/datapath"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// schemaField is a field as datapath.proto declares it.
type schemaField struct {
	Number protowire.Number
	Type   string
}

// The decoders and encoders are written for these fields. Whoever changes the schema
// changes them too.
func TestFieldsAreThoseOfTheSchema(t *testing.T) {
	t.Parallel()
	want := map[string]schemaField{
		"SnapshotRead.ranges": {fieldSnapshotReadRanges, "repeated ReadRange"},

		"ReadRange.start":   {fieldReadRangeStart, "bytes"},
		"ReadRange.end":     {fieldReadRangeEnd, "bytes"},
		"ReadRange.limit":   {fieldReadRangeLimit, "int32"},
		"ReadRange.reverse": {fieldReadRangeReverse, "bool"},

		"SnapshotReadOutput.ranges":                      {fieldSnapshotReadOutputRanges, "repeated ReadRangeOutput"},
		"SnapshotReadOutput.read_disabled":               {2, "bool"}, // never set
		"SnapshotReadOutput.read_is_strongly_consistent": {fieldSnapshotReadOutputReadIsStronglyConsistent, "bool"},
		"SnapshotReadOutput.status":                      {fieldSnapshotReadOutputStatus, "SnapshotReadStatus"},

		"ReadRangeOutput.values": {fieldReadRangeOutputValues, "repeated KvEntry"},

		"AtomicWrite.checks":    {fieldAtomicWriteChecks, "repeated Check"},
		"AtomicWrite.mutations": {fieldAtomicWriteMutations, "repeated Mutation"},
		"AtomicWrite.enqueues":  {fieldAtomicWriteEnqueues, "repeated Enqueue"},

		"Check.key":          {fieldCheckKey, "bytes"},
		"Check.versionstamp": {fieldCheckVersionstamp, "bytes"},

		"Mutation.key":           {fieldMutationKey, "bytes"},
		"Mutation.value":         {fieldMutationValue, "KvValue"},
		"Mutation.mutation_type": {fieldMutationMutationType, "MutationType"},
		"Mutation.expire_at_ms":  {fieldMutationExpireAtMs, "int64"},
		"Mutation.sum_min":       {fieldMutationSumMin, "bytes"},
		"Mutation.sum_max":       {fieldMutationSumMax, "bytes"},
		"Mutation.sum_clamp":     {fieldMutationSumClamp, "bool"},

		"KvValue.data":     {fieldKvValueData, "bytes"},
		"KvValue.encoding": {fieldKvValueEncoding, "ValueEncoding"},

		"Enqueue.payload":             {fieldEnqueuePayload, "bytes"},
		"Enqueue.deadline_ms":         {fieldEnqueueDeadlineMs, "int64"},
		"Enqueue.keys_if_undelivered": {fieldEnqueueKeysIfUndelivered, "repeated bytes"},
		"Enqueue.backoff_schedule":    {fieldEnqueueBackoffSchedule, "repeated uint32"},

		"AtomicWriteOutput.status":        {fieldAtomicWriteOutputStatus, "AtomicWriteStatus"},
		"AtomicWriteOutput.versionstamp":  {fieldAtomicWriteOutputVersionstamp, "bytes"},
		"AtomicWriteOutput.failed_checks": {fieldAtomicWriteOutputFailedChecks, "repeated uint32"},

		"KvEntry.key":          {fieldKvEntryKey, "bytes"},
		"KvEntry.value":        {fieldKvEntryValue, "bytes"},
		"KvEntry.encoding":     {fieldKvEntryEncoding, "ValueEncoding"},
		"KvEntry.versionstamp": {fieldKvEntryVersionstamp, "bytes"},

		"Watch.keys":   {fieldWatchKeys, "repeated WatchKey"},
		"WatchKey.key": {fieldWatchKeyKey, "bytes"},

		"WatchOutput.status": {fieldWatchOutputStatus, "SnapshotReadStatus"},
		"WatchOutput.keys":   {fieldWatchOutputKeys, "repeated WatchKeyOutput"},

		"WatchKeyOutput.changed":          {fieldWatchKeyOutputChanged, "bool"},
		"WatchKeyOutput.entry_if_changed": {fieldWatchKeyOutputEntryIfChanged, "KvEntry"},
	}
	got := map[string]schemaField{}
	messages := datapath.File_datapath_proto.Messages()
	for i := range messages.Len() {
		fields := messages.Get(i).Fields()
		for j := range fields.Len() {
			field := fields.Get(j)
			got[string(messages.Get(i).Name()+"."+field.Name())] = schemaField{field.Number(), declaredType(field)}
		}
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("(-schema +this package):\n%s", diff)
	}
}

func declaredType(field protoreflect.FieldDescriptor) string {
	name := field.Kind().String()
	switch {
	case field.Message() != nil:
		name = string(field.Message().Name())
	case field.Enum() != nil:
		name = string(field.Enum().Name())
	}
	if field.IsList() {
		return "repeated " + name
	}
	return name
}

func TestShapesAreThoseOfTheSchema(t *testing.T) {
	t.Parallel()
	for request, shape := range map[protoreflect.MessageDescriptor]*messageShape{
		(*datapath.SnapshotRead)(nil).ProtoReflect().Descriptor(): &snapshotReadShape,
		(*datapath.AtomicWrite)(nil).ProtoReflect().Descriptor():  &atomicWriteShape,
		(*datapath.Watch)(nil).ProtoReflect().Descriptor():        &watchShape,
	} {
		wantShape(t, request, shape)
	}
}

func wantShape(t *testing.T, message protoreflect.MessageDescriptor, shape *messageShape) {
	t.Helper()
	for i := range message.Fields().Len() {
		if number := message.Fields().Get(i).Number(); number > maxRequestField {
			t.Errorf("%s has a field %d, above maxRequestField", message.Name(), number)
		}
	}
	for number, got := range shape {
		field := message.Fields().ByNumber(protowire.Number(number))
		want := unknownField
		if field != nil {
			want = declaredKind(t, field)
		}
		if got.kind != want {
			t.Errorf("field %d of %s has kind %d, want %d", number, message.Name(), got.kind, want)
		}
		if want == messageField {
			wantShape(t, field.Message(), got.part)
		}
	}
}

func declaredKind(t *testing.T, field protoreflect.FieldDescriptor) fieldKind {
	t.Helper()
	switch field.Kind() {
	case protoreflect.MessageKind:
		return messageField
	case protoreflect.BytesKind:
		return bytesField
	case protoreflect.BoolKind, protoreflect.EnumKind, protoreflect.Int32Kind, protoreflect.Int64Kind, protoreflect.Uint32Kind:
		if field.IsList() {
			return varintsField
		}
		return varintField
	default:
		t.Fatalf("%s has a type for which there is no kind", field.FullName())
		return unknownField
	}
}
