package protocol_test

import (
	"encoding/binary"
	"fmt"
	"reflect"

	"github.com/google/go-cmp/cmp"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The reference is the same conversion by way of the generated messages. All tests
// of this package decode through these.
var (
	decodeSnapshotRead = likeReference(protocol.DecodeSnapshotRead, referenceSnapshotRead)
	decodeAtomicWrite  = likeReference(protocol.DecodeAtomicWrite, referenceAtomicWrite)
	decodeWatch        = likeReference(protocol.DecodeWatch, referenceWatch)
)

// likeReference gives decode with the addition that it fails, with an error that is
// no refusal, if the reference gives another result or another error text.
func likeReference[Request any](decode, reference func([]byte) (Request, error)) func([]byte) (Request, error) {
	return func(body []byte) (Request, error) {
		got, err := decode(body)
		want, wantErr := reference(body)
		if errorText(err) != errorText(wantErr) {
			return got, fmt.Errorf("the error is %q, that of the reference %q", errorText(err), errorText(wantErr))
		}
		if !reflect.DeepEqual(want, got) { // cmp takes its time with long values
			return got, fmt.Errorf("unlike the reference (-want +got):\n%s", cmp.Diff(want, got))
		}
		return got, err
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func referenceSnapshotRead(body []byte) (protocol.SnapshotRead, error) {
	const op = "snapshot read"
	var message datapath.SnapshotRead
	counts, ok := countFields(body)
	if n := counts[1]; n > protocol.MaxReadRanges {
		return protocol.SnapshotRead{}, fmt.Errorf("%s: %w: %d, at most %d", op, protocol.ErrTooManyReadRanges, n, protocol.MaxReadRanges)
	}
	if !ok || proto.Unmarshal(body, &message) != nil || hasMistypedField(message.ProtoReflect()) {
		return protocol.SnapshotRead{}, malformed(op, &message)
	}
	read := protocol.SnapshotRead{Ranges: make([]protocol.ReadRange, 0, len(message.GetRanges()))}
	total := 0
	for i, r := range message.GetRanges() {
		if r.GetLimit() < 1 {
			return protocol.SnapshotRead{}, fmt.Errorf("%s: range %d: %w, not %d", op, i, protocol.ErrInvalidReadLimit, r.GetLimit())
		}
		for _, key := range [][]byte{r.GetStart(), r.GetEnd()} {
			if err := checkKeyLength(key, protocol.MaxReadKeyBytes); err != nil {
				return protocol.SnapshotRead{}, fmt.Errorf("%s: range %d: %w", op, i, err)
			}
		}
		total += int(r.GetLimit())
		read.Ranges = append(read.Ranges, protocol.ReadRange{
			Start: r.GetStart(), End: r.GetEnd(), Limit: int(r.GetLimit()), Reverse: r.GetReverse(),
		})
	}
	if total > protocol.MaxReadEntries {
		return protocol.SnapshotRead{}, fmt.Errorf("%s: %w: %d, at most %d", op, protocol.ErrTooManyReadEntries, total, protocol.MaxReadEntries)
	}
	return read, nil
}

func referenceAtomicWrite(body []byte) (protocol.AtomicWrite, error) {
	const op = "atomic write"
	var message datapath.AtomicWrite
	counts, ok := countFields(body)
	if n := counts[1]; n > protocol.MaxChecks {
		return protocol.AtomicWrite{}, fmt.Errorf("%s: %w: %d, at most %d", op, protocol.ErrTooManyChecks, n, protocol.MaxChecks)
	}
	if n := counts[2] + counts[3]; n > protocol.MaxMutations {
		return protocol.AtomicWrite{}, fmt.Errorf("%s: %w: %d with the enqueues, at most %d", op, protocol.ErrTooManyMutations, n, protocol.MaxMutations)
	}
	if !ok || proto.Unmarshal(body, &message) != nil || hasMistypedField(message.ProtoReflect()) {
		return protocol.AtomicWrite{}, malformed(op, &message)
	}
	if len(message.GetEnqueues()) > 0 {
		return protocol.AtomicWrite{}, fmt.Errorf("%s: %w", op, protocol.ErrEnqueueUnsupported)
	}
	write := protocol.AtomicWrite{
		Checks:    make([]protocol.Check, len(message.GetChecks())),
		Mutations: make([]protocol.Mutation, len(message.GetMutations())),
	}
	totalBytes := 0
	for i, c := range message.GetChecks() {
		check, err := referenceCheck(c)
		if err != nil {
			return protocol.AtomicWrite{}, fmt.Errorf("%s: check %d: %w", op, i, err)
		}
		totalBytes += len(c.GetKey())
		write.Checks[i] = check
	}
	for i, m := range message.GetMutations() {
		mutation, err := referenceMutation(m)
		if err != nil {
			return protocol.AtomicWrite{}, fmt.Errorf("%s: mutation %d: %w", op, i, err)
		}
		totalBytes += len(m.GetKey()) + len(m.GetValue().GetData()) + len(m.GetSumMin()) + len(m.GetSumMax())
		write.Mutations[i] = mutation
	}
	if totalBytes > protocol.MaxAtomicWriteBytes {
		return protocol.AtomicWrite{}, fmt.Errorf("%s: %w: %d bytes of keys and values, at most %d",
			op, protocol.ErrAtomicWriteTooLarge, totalBytes, protocol.MaxAtomicWriteBytes)
	}
	return write, nil
}

func referenceCheck(c *datapath.Check) (protocol.Check, error) {
	if err := checkKey(c.GetKey(), protocol.MaxReadKeyBytes); err != nil {
		return protocol.Check{}, err
	}
	versionstamp, err := protocol.ParseVersionstamp(c.GetVersionstamp())
	if err != nil {
		return protocol.Check{}, err
	}
	return protocol.Check{Key: c.GetKey(), Versionstamp: versionstamp}, nil
}

// wireTypes gives the mutation type of the wire.
var wireTypes = map[protocol.MutationType]datapath.MutationType{
	protocol.MutationSet:                  datapath.MutationType_M_SET,
	protocol.MutationDelete:               datapath.MutationType_M_DELETE,
	protocol.MutationSum:                  datapath.MutationType_M_SUM,
	protocol.MutationMin:                  datapath.MutationType_M_MIN,
	protocol.MutationMax:                  datapath.MutationType_M_MAX,
	protocol.MutationSetVersionstampedKey: datapath.MutationType_M_SET_SUFFIX_VERSIONSTAMPED_KEY,
}

// mutationTypes gives the mutation type of a number of the wire.
var mutationTypes = func() map[datapath.MutationType]protocol.MutationType {
	types := map[datapath.MutationType]protocol.MutationType{}
	for mutationType, number := range wireTypes {
		types[number] = mutationType
	}
	return types
}()

func referenceMutation(m *datapath.Mutation) (protocol.Mutation, error) {
	mutationType, known := mutationTypes[m.GetMutationType()]
	if !known {
		return protocol.Mutation{}, fmt.Errorf("%w (%d)", protocol.ErrUnknownMutation, m.GetMutationType())
	}
	maxKeyBytes := protocol.MaxWriteKeyBytes
	if mutationType == protocol.MutationSetVersionstampedKey {
		maxKeyBytes -= len(protocol.VersionstampedKey(nil, protocol.Versionstamp{}))
	}
	if err := checkKey(m.GetKey(), maxKeyBytes); err != nil {
		return protocol.Mutation{}, err
	}
	expireAtMs := m.GetExpireAtMs()
	switch {
	case expireAtMs == -1:
		expireAtMs = 0
	case expireAtMs < 0:
		return protocol.Mutation{}, fmt.Errorf("%w, not %d", protocol.ErrInvalidExpireAt, expireAtMs)
	}
	mutation := protocol.Mutation{Type: mutationType, Key: m.GetKey(), ExpireAtMs: expireAtMs}
	if mutationType == protocol.MutationDelete {
		return mutation, nil
	}
	value, err := referenceValue(m.GetValue())
	if err != nil {
		return protocol.Mutation{}, err
	}
	mutation.Value = value
	if mutationType == protocol.MutationSum {
		mutation.SumMin, mutation.SumMax, mutation.SumClamp = m.GetSumMin(), m.GetSumMax(), m.GetSumClamp()
	}
	return mutation, nil
}

func referenceValue(value *datapath.KvValue) (protocol.Value, error) {
	if value == nil {
		return protocol.Value{}, protocol.ErrValueMissing
	}
	if n := len(value.GetData()); n > protocol.MaxValueBytes {
		return protocol.Value{}, fmt.Errorf("%w: %d bytes, at most %d", protocol.ErrValueTooLong, n, protocol.MaxValueBytes)
	}
	encoding := protocol.ValueEncoding(value.GetEncoding())
	switch encoding {
	case protocol.EncodingV8, protocol.EncodingBytes:
	case protocol.EncodingLE64:
		if n := len(value.GetData()); n != 8 {
			return protocol.Value{}, fmt.Errorf("%w, not %d", protocol.ErrInvalidValue, n)
		}
	default:
		return protocol.Value{}, fmt.Errorf("%w, not %d", protocol.ErrUnknownEncoding, encoding)
	}
	return protocol.Value{Data: value.GetData(), Encoding: encoding}, nil
}

func referenceWatch(body []byte) (protocol.Watch, error) {
	const op = "watch"
	var message datapath.Watch
	counts, ok := countFields(body)
	if n := counts[1]; n > protocol.MaxWatchedKeys {
		return protocol.Watch{}, fmt.Errorf("%s: %w: %d, at most %d", op, protocol.ErrTooManyWatchedKeys, n, protocol.MaxWatchedKeys)
	}
	if !ok || proto.Unmarshal(body, &message) != nil || hasMistypedField(message.ProtoReflect()) {
		return protocol.Watch{}, malformed(op, &message)
	}
	watch := protocol.Watch{Keys: make([][]byte, 0, len(message.GetKeys()))}
	for i, key := range message.GetKeys() {
		if err := checkKey(key.GetKey(), protocol.MaxReadKeyBytes); err != nil {
			return protocol.Watch{}, fmt.Errorf("%s: key %d: %w", op, i, err)
		}
		watch.Keys = append(watch.Keys, key.GetKey())
	}
	return watch, nil
}

func malformed(op string, message proto.Message) error {
	return fmt.Errorf("%s: %w as the protobuf message %s", op, protocol.ErrMalformedRequest, message.ProtoReflect().Descriptor().FullName())
}

func checkKey(key []byte, maxBytes int) error {
	if len(key) == 0 {
		return protocol.ErrKeyEmpty
	}
	return checkKeyLength(key, maxBytes)
}

func checkKeyLength(key []byte, maxBytes int) error {
	if len(key) > maxBytes {
		return fmt.Errorf("%w: %d bytes, at most %d", protocol.ErrKeyTooLong, len(key), maxBytes)
	}
	return nil
}

// countFields counts the top-level fields of an encoded message by their number, up
// to 3. ok is false if the bytes are no message.
func countFields(body []byte) (counts [4]int, ok bool) {
	for len(body) > 0 {
		number, _, n := protowire.ConsumeField(body)
		if n < 0 {
			return counts, false
		}
		if int(number) < len(counts) {
			counts[number]++
		}
		body = body[n:]
	}
	return counts, true
}

// hasMistypedField tells whether a field that the schema knows, here or in a part,
// came with another wire type, for which the generated code takes it as unknown.
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

func referenceEntry(e protocol.Entry) *datapath.KvEntry {
	return &datapath.KvEntry{
		Key: e.Key, Value: e.Value.Data, Encoding: datapath.ValueEncoding(e.Value.Encoding), Versionstamp: e.Versionstamp[:],
	}
}

func referenceSnapshotReadOutput(o protocol.SnapshotReadOutput) ([]byte, error) {
	message := datapath.SnapshotReadOutput{
		Ranges:                   make([]*datapath.ReadRangeOutput, len(o.Ranges)),
		ReadIsStronglyConsistent: true,
		Status:                   datapath.SnapshotReadStatus_SR_SUCCESS,
	}
	for i, entries := range o.Ranges {
		values := make([]*datapath.KvEntry, len(entries))
		for j, entry := range entries {
			values[j] = referenceEntry(entry)
		}
		message.Ranges[i] = &datapath.ReadRangeOutput{Values: values}
	}
	return proto.Marshal(&message)
}

func referenceAtomicWriteOutput(o protocol.AtomicWriteOutput) ([]byte, error) {
	var message datapath.AtomicWriteOutput
	switch o.Status {
	case protocol.AtomicWriteCommitted:
		message.Status = datapath.AtomicWriteStatus_AW_SUCCESS
		message.Versionstamp = o.Versionstamp[:]
	case protocol.AtomicWriteCheckFailed:
		message.Status = datapath.AtomicWriteStatus_AW_CHECK_FAILURE
		message.FailedChecks = o.FailedChecks
	case protocol.AtomicWriteDisabled:
		message.Status = datapath.AtomicWriteStatus_AW_WRITE_DISABLED
	default:
		return nil, fmt.Errorf("encode atomic write output: unknown status %d", o.Status)
	}
	return proto.Marshal(&message)
}

func referenceWatchFrame(o protocol.WatchOutput) ([]byte, error) {
	message := datapath.WatchOutput{
		Status: datapath.SnapshotReadStatus_SR_SUCCESS,
		Keys:   make([]*datapath.WatchKeyOutput, len(o.Entries)),
	}
	for i, entry := range o.Entries {
		message.Keys[i] = &datapath.WatchKeyOutput{Changed: true}
		if entry != nil {
			message.Keys[i].EntryIfChanged = referenceEntry(*entry)
		}
	}
	size := proto.Size(&message)
	frame := binary.LittleEndian.AppendUint32(make([]byte, 0, 4+size), uint32(size))
	return proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(frame, &message)
}
