package protocol_test

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
)

// refusals are what a decoder may fail with. Any other error would become a fault of
// the server, which clients answer by sending the request again for ever.
var refusals = []error{
	protocol.ErrMalformedRequest, protocol.ErrKeyEmpty, protocol.ErrKeyTooLong, protocol.ErrValueMissing,
	protocol.ErrValueTooLong, protocol.ErrUnknownEncoding, protocol.ErrInvalidValue, protocol.ErrUnknownMutation,
	protocol.ErrInvalidVersionstamp, protocol.ErrInvalidExpireAt, protocol.ErrInvalidReadLimit,
	protocol.ErrTooManyReadRanges, protocol.ErrTooManyReadEntries, protocol.ErrTooManyChecks,
	protocol.ErrTooManyMutations, protocol.ErrAtomicWriteTooLarge, protocol.ErrTooManyWatchedKeys,
	protocol.ErrEnqueueUnsupported,
}

// decodeStably decodes a body, and checks that it means the same in the form that
// protobuf gives it, and in the form that encode gives to what was decoded. ok is
// false for a body that is refused.
func decodeStably[Request any](
	t *testing.T, body []byte, message proto.Message, decode func([]byte) (Request, error), encode func(Request) proto.Message,
) (request Request, ok bool) {
	t.Helper()
	request, err := decode(body)
	if err != nil && !slices.ContainsFunc(refusals, func(refusal error) bool { return errors.Is(err, refusal) }) {
		t.Fatalf("the error %v is none that a client can be told", err)
	}
	if proto.Unmarshal(body, message) == nil {
		again, errAgain := decode(marshal(t, message))
		if (err == nil) != (errAgain == nil) || err != nil && err.Error() != errAgain.Error() {
			t.Fatalf("decoded: %v; in another form: %v", err, errAgain)
		}
		if diff := cmp.Diff(request, again, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("in another form (-before +after):\n%s", diff)
		}
	}
	if err != nil {
		return request, false
	}
	again, err := decode(marshal(t, encode(request)))
	if diff := cmp.Diff(request, again, cmpopts.EquateEmpty()); diff != "" || err != nil {
		t.Fatalf("encoded and decoded again: %v (-before +after):\n%s", err, diff)
	}
	return request, true
}

func FuzzDecodeSnapshotRead(f *testing.F) {
	f.Add(marshal(f, &datapath.SnapshotRead{Ranges: repeat(11, &datapath.ReadRange{Limit: 1})}))
	f.Add(marshal(f, &datapath.SnapshotRead{Ranges: []*datapath.ReadRange{
		{Start: []byte{1}, End: []byte{2}, Limit: 3, Reverse: true}, {End: []byte{0xff}, Limit: 997},
	}}))
	f.Add(field(unknownFields(), 1, []byte{3 << 3, 1}))
	encode := func(read protocol.SnapshotRead) proto.Message {
		var message datapath.SnapshotRead
		for _, r := range read.Ranges {
			message.Ranges = append(message.Ranges, &datapath.ReadRange{
				Start: r.Start, End: r.End, Limit: int32(r.Limit), Reverse: r.Reverse,
			})
		}
		return &message
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		read, ok := decodeStably(t, body, &datapath.SnapshotRead{}, decodeSnapshotRead, encode)
		if !ok {
			return
		}
		entries := 0
		for _, r := range read.Ranges {
			if r.Limit < 1 || len(r.Start) > protocol.MaxReadKeyBytes || len(r.End) > protocol.MaxReadKeyBytes {
				t.Errorf("a range over the limits came through: %+v", r)
			}
			entries += r.Limit
		}
		if len(read.Ranges) > protocol.MaxReadRanges || entries > protocol.MaxReadEntries {
			t.Errorf("a snapshot read over the limits came through: %d ranges, %d entries", len(read.Ranges), entries)
		}
	})
}

func FuzzDecodeAtomicWrite(f *testing.F) {
	for _, kind := range wireTypes {
		for encoding := range datapath.ValueEncoding_name {
			f.Add(marshal(f, &datapath.AtomicWrite{
				Checks: []*datapath.Check{{Key: []byte{1}, Versionstamp: filled(10)}, {Key: []byte{2}}},
				Mutations: []*datapath.Mutation{set([]byte{1}, []byte{2}), {
					Key: []byte{1}, MutationType: kind, ExpireAtMs: 1 << 40,
					Value: &datapath.KvValue{Data: filled(8), Encoding: datapath.ValueEncoding(encoding)},
				}},
			}))
		}
	}
	for _, expireAtMs := range []int64{-1, -2} {
		f.Add(marshal(f, write(&datapath.Mutation{
			Key: []byte{1}, MutationType: datapath.MutationType_M_SET, ExpireAtMs: expireAtMs,
			Value: &datapath.KvValue{Encoding: datapath.ValueEncoding_VE_V8},
		})))
	}
	f.Add(marshal(f, &datapath.AtomicWrite{Checks: repeat(101, &datapath.Check{Key: []byte{1}})}))
	f.Add(marshal(f, &datapath.AtomicWrite{Enqueues: []*datapath.Enqueue{
		{Payload: []byte{1}, DeadlineMs: -1, KeysIfUndelivered: [][]byte{{1}}, BackoffSchedule: []uint32{1, 1 << 31}},
	}}))
	f.Add(field(unknownFields(), 2, unknownFields()))
	f.Add(marshal(f, write(&datapath.Mutation{
		Key: []byte{1}, MutationType: datapath.MutationType_M_SUM, SumMin: []byte("\xff\x0fI\x00"), SumMax: []byte("\xff\x0fI\x02"), SumClamp: true,
		Value: &datapath.KvValue{Data: []byte("\xff\x0fI\x02"), Encoding: datapath.ValueEncoding_VE_V8},
	})))
	encode := func(w protocol.AtomicWrite) proto.Message {
		var message datapath.AtomicWrite
		for _, c := range w.Checks {
			message.Checks = append(message.Checks, &datapath.Check{Key: c.Key, Versionstamp: c.Versionstamp[:]})
		}
		for _, m := range w.Mutations {
			mutation := &datapath.Mutation{
				Key: m.Key, MutationType: wireTypes[m.Type], ExpireAtMs: m.ExpireAtMs,
				SumMin: m.SumMin, SumMax: m.SumMax, SumClamp: m.SumClamp,
			}
			if m.Type != protocol.MutationDelete {
				mutation.Value = &datapath.KvValue{Data: m.Value.Data, Encoding: datapath.ValueEncoding(m.Value.Encoding)}
			}
			message.Mutations = append(message.Mutations, mutation)
		}
		return &message
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		w, ok := decodeStably(t, body, &datapath.AtomicWrite{}, decodeAtomicWrite, encode)
		if !ok {
			return
		}
		totalBytes := 0
		for _, c := range w.Checks {
			totalBytes += len(c.Key)
		}
		for _, m := range w.Mutations {
			totalBytes += len(m.Key) + len(m.Value.Data) + len(m.SumMin) + len(m.SumMax)
			stored := m.StoredKey(protocol.VersionstampOf(1))
			if len(m.Key) == 0 || len(stored) > protocol.MaxWriteKeyBytes || len(m.Value.Data) > protocol.MaxValueBytes || m.ExpireAtMs < 0 {
				t.Errorf("a mutation over the limits came through: %+v", m)
			}
			if _, isU64 := m.Value.U64(); m.Value.Encoding == protocol.EncodingLE64 && !isU64 {
				t.Errorf("a mutation with a value that is no number came through: %+v", m)
			}
		}
		if len(w.Checks) > protocol.MaxChecks || len(w.Mutations) > protocol.MaxMutations || totalBytes > protocol.MaxAtomicWriteBytes {
			t.Errorf("an atomic write over the limits came through: %d checks, %d mutations, %d bytes", len(w.Checks), len(w.Mutations), totalBytes)
		}
	})
}

func FuzzDecodeWatch(f *testing.F) {
	f.Add(marshal(f, &datapath.Watch{Keys: repeat(11, &datapath.WatchKey{Key: []byte{1}})}))
	f.Add(marshal(f, &datapath.Watch{Keys: []*datapath.WatchKey{{Key: []byte{1}}, {Key: filled(2049)}}}))
	f.Add(field(unknownFields(), 1, field(nil, 1, []byte{0xff})))
	encode := func(w protocol.Watch) proto.Message {
		var message datapath.Watch
		for _, key := range w.Keys {
			message.Keys = append(message.Keys, &datapath.WatchKey{Key: key})
		}
		return &message
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		w, ok := decodeStably(t, body, &datapath.Watch{}, decodeWatch, encode)
		if !ok {
			return
		}
		for _, key := range w.Keys {
			if len(key) == 0 || len(key) > protocol.MaxReadKeyBytes {
				t.Errorf("a key of %d bytes came through", len(key))
			}
		}
		if len(w.Keys) > protocol.MaxWatchedKeys {
			t.Errorf("a watch of %d keys came through", len(w.Keys))
		}
	})
}

// What the server says decodes to what it meant, and is what the generated code says.
func FuzzEncodeOutputs(f *testing.F) {
	f.Add([]byte{1}, []byte{2}, int32(protocol.EncodingV8), int64(1), uint8(0b101))
	f.Add([]byte{}, []byte{}, int32(protocol.EncodingBytes), int64(1)<<62, uint8(0))
	f.Add([]byte{}, []byte{}, int32(0), int64(0), uint8(0b11))
	f.Add(filled(127), filled(1<<14), int32(-1), int64(-1), uint8(0xff))
	f.Fuzz(func(t *testing.T, key, value []byte, encoding int32, version int64, bits uint8) {
		entry := protocol.Entry{
			Key: key, Value: protocol.Value{Data: value, Encoding: protocol.ValueEncoding(encoding)},
			Versionstamp: protocol.VersionstampOf(version),
		}
		wire := &datapath.KvEntry{
			Key: key, Value: value, Encoding: datapath.ValueEncoding(encoding),
			Versionstamp: append(binary.BigEndian.AppendUint64(nil, uint64(version)), 0, 0),
		}
		read := protocol.SnapshotReadOutput{}
		watch := protocol.WatchOutput{}
		written := protocol.AtomicWriteOutput{Status: protocol.AtomicWriteCheckFailed}
		wantRead := &datapath.SnapshotReadOutput{ReadIsStronglyConsistent: true, Status: datapath.SnapshotReadStatus_SR_SUCCESS}
		wantWatch := &datapath.WatchOutput{Status: datapath.SnapshotReadStatus_SR_SUCCESS}
		wantWritten := &datapath.AtomicWriteOutput{Status: datapath.AtomicWriteStatus_AW_CHECK_FAILURE}
		for i := range uint32(8) {
			state := &datapath.WatchKeyOutput{Changed: true}
			wantWatch.Keys = append(wantWatch.Keys, state)
			if bits>>i&1 == 0 {
				read.Ranges = append(read.Ranges, nil)
				wantRead.Ranges = append(wantRead.Ranges, &datapath.ReadRangeOutput{})
				watch.Entries = append(watch.Entries, nil)
				continue
			}
			read.Ranges = append(read.Ranges, slices.Repeat([]protocol.Entry{entry}, int(i)))
			wantRead.Ranges = append(wantRead.Ranges, &datapath.ReadRangeOutput{Values: slices.Repeat([]*datapath.KvEntry{wire}, int(i))})
			watch.Entries = append(watch.Entries, &entry)
			state.EntryIfChanged = wire
			failed := i << (4 * i) // up to all lengths of a varint
			written.FailedChecks = append(written.FailedChecks, failed)
			wantWritten.FailedChecks = append(wantWritten.FailedChecks, failed)
		}
		frame, err := watch.EncodeFrame()
		wantBody(t, frame, err, watch, referenceWatchFrame)
		wantMessage(t, frame[4:], wantWatch, &datapath.WatchOutput{})
		body, err := read.Encode()
		wantBody(t, body, err, read, referenceSnapshotReadOutput)
		wantMessage(t, body, wantRead, &datapath.SnapshotReadOutput{})
		body, err = written.Encode()
		wantBody(t, body, err, written, referenceAtomicWriteOutput)
		wantMessage(t, body, wantWritten, &datapath.AtomicWriteOutput{})
		written = protocol.AtomicWriteOutput{Status: protocol.AtomicWriteCommitted, Versionstamp: entry.Versionstamp}
		body, err = written.Encode()
		wantBody(t, body, err, written, referenceAtomicWriteOutput)
		wantMessage(t, body, &datapath.AtomicWriteOutput{
			Status: datapath.AtomicWriteStatus_AW_SUCCESS, Versionstamp: wire.GetVersionstamp(),
		}, &datapath.AtomicWriteOutput{})
	})
}

// wantMessage decodes a body into a message, which must become the wanted one.
func wantMessage[Message proto.Message](t *testing.T, body []byte, want, got Message) {
	t.Helper()
	if err := proto.Unmarshal(body, got); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(want, got) {
		t.Errorf("(-want +got):\n%s", cmp.Diff(want, got, protocmp.Transform()))
	}
}
