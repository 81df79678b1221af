package protocol_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

func marshal(tb testing.TB, message proto.Message) []byte {
	tb.Helper()
	body, err := proto.Marshal(message)
	if err != nil {
		tb.Fatal(err)
	}
	return body
}

// decodeCase is a message and the sentinel that decoding it must give; nil for a
// message that is valid.
type decodeCase struct {
	message proto.Message
	want    error
}

func runDecodeCases[T any](t *testing.T, decode func([]byte) (T, error), cases map[string]decodeCase) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := decode(marshal(t, c.message))
			if !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}

func filled(n int) []byte { return bytes.Repeat([]byte{0x02}, n) }

func set(key, value []byte) *datapath.Mutation {
	return &datapath.Mutation{
		Key: key, MutationType: datapath.MutationType_M_SET,
		Value: &datapath.KvValue{Data: value, Encoding: datapath.ValueEncoding_VE_BYTES},
	}
}

func write(mutations ...*datapath.Mutation) *datapath.AtomicWrite {
	return &datapath.AtomicWrite{Mutations: mutations}
}

func repeat[T any](n int, item T) []T {
	items := make([]T, n)
	for i := range items {
		items[i] = item
	}
	return items
}

func TestDecodeSnapshotRead(t *testing.T) {
	t.Parallel()
	read := func(ranges ...*datapath.ReadRange) proto.Message { return &datapath.SnapshotRead{Ranges: ranges} }
	one := &datapath.ReadRange{Start: []byte{1}, End: []byte{2}, Limit: 1}
	runDecodeCases(t, decodeSnapshotRead, map[string]decodeCase{
		"no ranges":              {read(), nil},
		"whole database":         {read(&datapath.ReadRange{End: []byte{0xff}, Limit: 1}), nil},
		"9 ranges":               {read(repeat(9, one)...), nil},
		"10 ranges":              {read(repeat(10, one)...), nil},
		"11 ranges":              {read(repeat(11, one)...), protocol.ErrTooManyReadRanges},
		"limit 0":                {read(&datapath.ReadRange{Limit: 0}), protocol.ErrInvalidReadLimit},
		"limit -1":               {read(&datapath.ReadRange{Limit: -1}), protocol.ErrInvalidReadLimit},
		"999 entries":            {read(one, &datapath.ReadRange{Limit: 998}), nil},
		"1000 entries":           {read(one, &datapath.ReadRange{Limit: 999}), nil},
		"1001 entries":           {read(one, &datapath.ReadRange{Limit: 1000}), protocol.ErrTooManyReadEntries},
		"limits that overflow":   {read(repeat(10, &datapath.ReadRange{Limit: 1<<31 - 1})...), protocol.ErrTooManyReadEntries},
		"start of 2048 bytes":    {read(&datapath.ReadRange{Start: filled(2048), Limit: 1}), nil},
		"start of 2049 bytes":    {read(&datapath.ReadRange{Start: filled(2049), Limit: 1}), nil},
		"start of 2050 bytes":    {read(&datapath.ReadRange{Start: filled(2050), Limit: 1}), protocol.ErrKeyTooLong},
		"end of 2049 bytes":      {read(&datapath.ReadRange{End: filled(2049), Limit: 1}), nil},
		"end of 2050 bytes":      {read(&datapath.ReadRange{End: filled(2050), Limit: 1}), protocol.ErrKeyTooLong},
		"the second range fails": {read(one, &datapath.ReadRange{Limit: 0}), protocol.ErrInvalidReadLimit},
	})
}

func TestDecodeAtomicWrite(t *testing.T) {
	t.Parallel()
	key, value := []byte{1}, []byte{1}
	mutation := func(change func(*datapath.Mutation)) proto.Message {
		m := set(key, value)
		change(m)
		return write(m)
	}
	operand := func(kind datapath.MutationType, encoding datapath.ValueEncoding, data []byte) proto.Message {
		return write(&datapath.Mutation{Key: key, MutationType: kind, Value: &datapath.KvValue{Data: data, Encoding: encoding}})
	}
	check := func(key, versionstamp []byte) proto.Message {
		return &datapath.AtomicWrite{Checks: []*datapath.Check{{Key: key, Versionstamp: versionstamp}}}
	}
	runDecodeCases(t, decodeAtomicWrite, map[string]decodeCase{
		"nothing":                  {write(), nil},
		"delete without value":     {write(&datapath.Mutation{Key: key, MutationType: datapath.MutationType_M_DELETE}), nil},
		"99 checks":                {&datapath.AtomicWrite{Checks: repeat(99, &datapath.Check{Key: key})}, nil},
		"100 checks":               {&datapath.AtomicWrite{Checks: repeat(100, &datapath.Check{Key: key})}, nil},
		"101 checks":               {&datapath.AtomicWrite{Checks: repeat(101, &datapath.Check{Key: key})}, protocol.ErrTooManyChecks},
		"check of the empty key":   {check(nil, nil), protocol.ErrKeyEmpty},
		"check of 2049 bytes":      {check(filled(2049), nil), nil},
		"check of 2050 bytes":      {check(filled(2050), nil), protocol.ErrKeyTooLong},
		"versionstamp of 9 bytes":  {check(key, filled(9)), protocol.ErrInvalidVersionstamp},
		"versionstamp of 10 bytes": {check(key, filled(10)), nil},
		"versionstamp of 11 bytes": {check(key, filled(11)), protocol.ErrInvalidVersionstamp},
		"999 mutations":            {write(repeat(999, set(key, value))...), nil},
		"1000 mutations":           {write(repeat(1000, set(key, value))...), nil},
		"1001 mutations":           {write(repeat(1001, set(key, value))...), protocol.ErrTooManyMutations},
		"1001 with an enqueue": {
			&datapath.AtomicWrite{Mutations: repeat(1000, set(key, value)), Enqueues: []*datapath.Enqueue{{}}},
			protocol.ErrTooManyMutations,
		},
		"an enqueue":           {&datapath.AtomicWrite{Enqueues: []*datapath.Enqueue{{Payload: value}}}, protocol.ErrEnqueueUnsupported},
		"empty key":            {write(set(nil, value)), protocol.ErrKeyEmpty},
		"key of 2047 bytes":    {write(set(filled(2047), value)), nil},
		"key of 2048 bytes":    {write(set(filled(2048), value)), nil},
		"key of 2049 bytes":    {write(set(filled(2049), value)), protocol.ErrKeyTooLong},
		"delete of 2049 bytes": {write(&datapath.Mutation{Key: filled(2049), MutationType: datapath.MutationType_M_DELETE}), protocol.ErrKeyTooLong},
		"suffixed to 2048 bytes": {mutation(func(m *datapath.Mutation) {
			m.Key, m.MutationType = filled(2026), datapath.MutationType_M_SET_SUFFIX_VERSIONSTAMPED_KEY
		}), nil},
		"suffixed to 2049 bytes": {mutation(func(m *datapath.Mutation) {
			m.Key, m.MutationType = filled(2027), datapath.MutationType_M_SET_SUFFIX_VERSIONSTAMPED_KEY
		}), protocol.ErrKeyTooLong},
		"value of 65535 bytes":     {write(set(key, filled(65535))), nil},
		"value of 65536 bytes":     {write(set(key, filled(65536))), nil},
		"value of 65537 bytes":     {write(set(key, filled(65537))), protocol.ErrValueTooLong},
		"set without value":        {mutation(func(m *datapath.Mutation) { m.Value = nil }), protocol.ErrValueMissing},
		"no encoding":              {mutation(func(m *datapath.Mutation) { m.Value.Encoding = 0 }), protocol.ErrUnknownEncoding},
		"encoding -1":              {mutation(func(m *datapath.Mutation) { m.Value.Encoding = -1 }), protocol.ErrUnknownEncoding},
		"encoding 4":               {mutation(func(m *datapath.Mutation) { m.Value.Encoding = 4 }), protocol.ErrUnknownEncoding},
		"no type":                  {mutation(func(m *datapath.Mutation) { m.MutationType = 0 }), protocol.ErrUnknownMutation},
		"type -1":                  {mutation(func(m *datapath.Mutation) { m.MutationType = -1 }), protocol.ErrUnknownMutation},
		"type 6":                   {mutation(func(m *datapath.Mutation) { m.MutationType = 6 }), protocol.ErrUnknownMutation},
		"expires never, 0":         {mutation(func(m *datapath.Mutation) { m.ExpireAtMs = 0 }), nil},
		"expires never, -1":        {mutation(func(m *datapath.Mutation) { m.ExpireAtMs = -1 }), nil},
		"expires before the epoch": {mutation(func(m *datapath.Mutation) { m.ExpireAtMs = -2 }), protocol.ErrInvalidExpireAt},
		"set of 0 bytes in LE64":   {operand(datapath.MutationType_M_SET, datapath.ValueEncoding_VE_LE64, nil), protocol.ErrInvalidValue},
		"set of 0 bytes in V8":     {operand(datapath.MutationType_M_SET, datapath.ValueEncoding_VE_V8, nil), nil},
		"set of 0 bytes":           {operand(datapath.MutationType_M_SET, datapath.ValueEncoding_VE_BYTES, nil), nil},
		"set of 7 bytes in LE64":   {operand(datapath.MutationType_M_SET, datapath.ValueEncoding_VE_LE64, filled(7)), protocol.ErrInvalidValue},
		"set of 8 bytes in LE64":   {operand(datapath.MutationType_M_SET, datapath.ValueEncoding_VE_LE64, filled(8)), nil},
		"set of 9 bytes in LE64":   {operand(datapath.MutationType_M_SET, datapath.ValueEncoding_VE_LE64, filled(9)), protocol.ErrInvalidValue},
		"sum of 7 bytes in LE64":   {operand(datapath.MutationType_M_SUM, datapath.ValueEncoding_VE_LE64, filled(7)), protocol.ErrInvalidValue},
		"min of 9 bytes in LE64":   {operand(datapath.MutationType_M_MIN, datapath.ValueEncoding_VE_LE64, filled(9)), protocol.ErrInvalidValue},
		"max of 0 bytes in LE64":   {operand(datapath.MutationType_M_MAX, datapath.ValueEncoding_VE_LE64, nil), protocol.ErrInvalidValue},
		"sum of LE64":              {operand(datapath.MutationType_M_SUM, datapath.ValueEncoding_VE_LE64, filled(8)), nil},
		"819199 bytes in all":      {write(bulk(819199)...), nil},
		"819200 bytes in all":      {write(bulk(819200)...), nil},
		"819201 bytes in all":      {write(bulk(819201)...), protocol.ErrAtomicWriteTooLarge},
		"819201 bytes with the key of a check": {
			&datapath.AtomicWrite{Checks: []*datapath.Check{{Key: key}}, Mutations: bulk(819200)}, protocol.ErrAtomicWriteTooLarge,
		},
		"819201 bytes with the value of a delete": {
			write(append(bulk(819199), &datapath.Mutation{
				Key: key, MutationType: datapath.MutationType_M_DELETE, Value: &datapath.KvValue{Data: value},
			})...), protocol.ErrAtomicWriteTooLarge,
		},
		"819201 bytes with the bounds of a set": {
			write(append(bulk(819197), &datapath.Mutation{
				Key: key, MutationType: datapath.MutationType_M_SET, SumMin: value, SumMax: value,
				Value: &datapath.KvValue{Data: value, Encoding: datapath.ValueEncoding_VE_BYTES},
			})...), protocol.ErrAtomicWriteTooLarge,
		},
	})
}

// bulk gives mutations whose keys and values have the given total of bytes.
func bulk(total int) []*datapath.Mutation {
	var mutations []*datapath.Mutation
	for total > 0 {
		n := min(total, 60_001)
		mutations = append(mutations, set([]byte{1}, filled(n-1)))
		total -= n
	}
	return mutations
}

func TestDecodeWatch(t *testing.T) {
	t.Parallel()
	watch := func(n int, key []byte) proto.Message {
		return &datapath.Watch{Keys: repeat(n, &datapath.WatchKey{Key: key})}
	}
	runDecodeCases(t, decodeWatch, map[string]decodeCase{
		"no keys":           {watch(0, nil), nil},
		"9 keys":            {watch(9, []byte{1}), nil},
		"10 keys":           {watch(10, []byte{1}), nil},
		"11 keys":           {watch(11, []byte{1}), protocol.ErrTooManyWatchedKeys},
		"empty key":         {watch(1, nil), protocol.ErrKeyEmpty},
		"key of 2049 bytes": {watch(1, filled(2049)), nil},
		"key of 2050 bytes": {watch(1, filled(2050)), protocol.ErrKeyTooLong},
	})
}

// The largest valid requests must fit in the cap on the body, or they would be
// refused unread.
func TestLargestRequestsFitTheBodyCaps(t *testing.T) {
	t.Parallel()
	mutations := repeat(1000, &datapath.Mutation{
		Key: filled(400), MutationType: datapath.MutationType_M_SET_SUFFIX_VERSIONSTAMPED_KEY, ExpireAtMs: 1<<63 - 1,
		Value: &datapath.KvValue{Data: filled(200), Encoding: datapath.ValueEncoding_VE_BYTES},
	})
	checks := repeat(100, &datapath.Check{Key: filled(2048), Versionstamp: filled(10)})
	body := marshal(t, &datapath.AtomicWrite{Checks: checks, Mutations: mutations})
	if _, err := decodeAtomicWrite(body); err != nil || len(body) > protocol.MaxAtomicWriteBodyBytes {
		t.Errorf("atomic write of %d bytes: %v", len(body), err)
	}
	body = marshal(t, &datapath.SnapshotRead{Ranges: repeat(10, &datapath.ReadRange{
		Start: filled(2049), End: filled(2049), Limit: 100, Reverse: true,
	})})
	if _, err := decodeSnapshotRead(body); err != nil || len(body) > protocol.MaxSnapshotReadBodyBytes {
		t.Errorf("snapshot read of %d bytes: %v", len(body), err)
	}
	body = marshal(t, &datapath.Watch{Keys: repeat(10, &datapath.WatchKey{Key: filled(2049)})})
	if _, err := decodeWatch(body); err != nil || len(body) > protocol.MaxWatchBodyBytes {
		t.Errorf("watch of %d bytes: %v", len(body), err)
	}
}

// A request with several faults is always refused for the same one.
func TestWhichFaultIsTold(t *testing.T) {
	t.Parallel()
	emptyKey := field(nil, 1, marshal(t, &datapath.Check{}))
	unknownType := field(nil, 2, marshal(t, &datapath.Mutation{Key: []byte{1}}))
	enqueue := field(nil, 3, nil)
	torn := field(nil, 1, []byte{1<<3 | 2})
	tooMany := bytes.Repeat(emptyKey, 101)
	for name, c := range map[string]struct {
		body []byte
		want error
	}{
		"too many parts, one of them malformed":    {slices.Concat(torn, tooMany), protocol.ErrTooManyChecks},
		"too many parts and a field above them":    {slices.Concat(protowire.AppendTag(nil, 1<<30, protowire.VarintType), []byte{0}, tooMany), protocol.ErrTooManyChecks},
		"too many parts of another wire type":      {bytes.Repeat([]byte{1 << 3, 0}, 101), protocol.ErrTooManyChecks},
		"too many parts behind what is no field":   {slices.Concat([]byte{0}, tooMany), protocol.ErrMalformedRequest},
		"an enqueue, and a part that is malformed": {slices.Concat(enqueue, torn), protocol.ErrMalformedRequest},
		"an enqueue, and a check that is wrong":    {slices.Concat(emptyKey, enqueue), protocol.ErrEnqueueUnsupported},
		"a wrong mutation before a wrong check":    {slices.Concat(unknownType, emptyKey), protocol.ErrKeyEmpty},
		"a wrong mutation in too large a write": {
			slices.Concat(marshal(t, write(bulk(819201)...)), unknownType), protocol.ErrUnknownMutation,
		},
	} {
		if _, err := decodeAtomicWrite(c.body); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestErrorTextsTellWhereAndWhatToDo(t *testing.T) {
	t.Parallel()
	_, err := decodeAtomicWrite(marshal(t, write(set([]byte{1}, nil), set([]byte{1}, filled(65537)))))
	want := "atomic write: mutation 1: the value is too long: store it in parts, or store a reference to it: 65537 bytes, at most 65536"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	_, err = decodeWatch([]byte("garbage"))
	if !errors.Is(err, protocol.ErrMalformedRequest) || !strings.Contains(err.Error(), "com.deno.kv.datapath.Watch") {
		t.Errorf("error %v, want ErrMalformedRequest that names the message", err)
	}
}

func TestAbsentCheckInBothForms(t *testing.T) {
	t.Parallel()
	got, err := decodeAtomicWrite(marshal(t, &datapath.AtomicWrite{Checks: []*datapath.Check{
		{Key: []byte{1}}, {Key: []byte{1}, Versionstamp: make([]byte, 10)},
	}}))
	if err != nil {
		t.Fatal(err)
	}
	want := []protocol.Check{{Key: []byte{1}}, {Key: []byte{1}}}
	if diff := cmp.Diff(want, got.Checks); diff != "" {
		t.Errorf("checks (-want +got):\n%s", diff)
	}
}
