package bench

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
)

// What is put together by hand is what the generated code would make.
func TestRequests(t *testing.T) {
	t.Parallel()
	key, value, stamp := []byte("key"), []byte("value"), bytes.Repeat([]byte{1}, 10)
	set := &datapath.Mutation{
		Key: key, MutationType: datapath.MutationType_M_SET,
		Value: &datapath.KvValue{Data: value, Encoding: datapath.ValueEncoding_VE_BYTES},
	}
	var m messageMaker
	for name, c := range map[string]struct {
		got  []byte
		want proto.Message
	}{
		"range": {bytes.Clone(m.read(key, []byte("kez"), 500)), &datapath.SnapshotRead{
			Ranges: []*datapath.ReadRange{{Start: key, End: []byte("kez"), Limit: 500}},
		}},
		"key": {bytes.Clone(m.readKey(key)), &datapath.SnapshotRead{
			Ranges: []*datapath.ReadRange{{Start: key, End: []byte("key\x00"), Limit: 1}},
		}},
		"set": {bytes.Clone(m.set(key, value, datapath.ValueEncoding_VE_BYTES)), &datapath.AtomicWrite{Mutations: []*datapath.Mutation{set}}},
		"check and set": {bytes.Clone(m.checkAndSet(key, stamp, value, datapath.ValueEncoding_VE_BYTES)), &datapath.AtomicWrite{
			Checks: []*datapath.Check{{Key: key, Versionstamp: stamp}}, Mutations: []*datapath.Mutation{set},
		}},
		"two deletes": {m.appendDelete(m.appendDelete(nil, key), value), &datapath.AtomicWrite{Mutations: []*datapath.Mutation{
			{Key: key, MutationType: datapath.MutationType_M_DELETE}, {Key: value, MutationType: datapath.MutationType_M_DELETE},
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := c.want.ProtoReflect().New().Interface()
			if err := proto.Unmarshal(c.got, got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got, protocmp.Transform()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// The keys are those of Deno.
func TestKeys(t *testing.T) {
	t.Parallel()
	keys, err := newKeyspace(entriesKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 255, 1_000_000, 99_999_999} {
		want, err := (protocol.Key{KeyPrefix, entriesKey, float64(n)}).Encode()
		if err != nil {
			t.Fatal(err)
		}
		if got := keys.appendKey(nil, n); !bytes.Equal(got, want) || bytes.Compare(got, keys.end()) >= 0 {
			t.Errorf("the key of %d is %x, want %x below %x", n, got, want, keys.end())
		}
	}
}

func marshal(t *testing.T, message proto.Message) []byte {
	t.Helper()
	data, err := proto.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestReplies(t *testing.T) {
	t.Parallel()
	stamp := bytes.Repeat([]byte{1}, 10)
	good := &datapath.KvEntry{Key: []byte("k"), Value: []byte("v"), Encoding: datapath.ValueEncoding_VE_BYTES, Versionstamp: stamp}
	ranges := func(n int) []*datapath.ReadRangeOutput {
		out := make([]*datapath.ReadRangeOutput, n)
		for i := range out {
			out[i] = &datapath.ReadRangeOutput{Values: []*datapath.KvEntry{good, good}}
		}
		return out
	}
	read := func(version int) func([]byte) error {
		return func(reply []byte) error {
			return parseRead(reply, version, func(e entry) error {
				if string(e.key) != "k" || string(e.value) != "v" || !bytes.Equal(e.versionstamp, stamp) || e.encoding != datapath.ValueEncoding_VE_BYTES {
					return errors.New("another entry")
				}
				return nil
			})
		}
	}
	write := func(reply []byte) error {
		committed, err := parseWrite(reply)
		if err == nil && !committed {
			err = errors.New("not committed")
		}
		return err
	}
	watch := func(reply []byte) error {
		e, ok, err := parseWatch(reply)
		if err == nil && (!ok || string(e.value) != "v") {
			err = errors.New("no entry")
		}
		return err
	}
	const success = datapath.SnapshotReadStatus_SR_SUCCESS
	for name, c := range map[string]struct {
		parse func([]byte) error
		reply proto.Message
		ok    bool
	}{
		"read":                 {read(3), &datapath.SnapshotReadOutput{Ranges: ranges(1), Status: success, ReadIsStronglyConsistent: true}, true},
		"read of version 2":    {read(2), &datapath.SnapshotReadOutput{Ranges: ranges(1)}, true},
		"read without status":  {read(3), &datapath.SnapshotReadOutput{Ranges: ranges(1)}, false},
		"read disabled":        {read(2), &datapath.SnapshotReadOutput{Ranges: ranges(1), ReadDisabled: true}, false},
		"read without a range": {read(3), &datapath.SnapshotReadOutput{Status: success}, false},
		"read of two ranges":   {read(3), &datapath.SnapshotReadOutput{Ranges: ranges(2), Status: success}, false},
		"read without versionstamp": {read(3), &datapath.SnapshotReadOutput{Status: success, Ranges: []*datapath.ReadRangeOutput{
			{Values: []*datapath.KvEntry{{Key: []byte("k"), Value: []byte("v"), Encoding: datapath.ValueEncoding_VE_BYTES}}},
		}}, false},
		"write":                        {write, &datapath.AtomicWriteOutput{Status: datapath.AtomicWriteStatus_AW_SUCCESS, Versionstamp: stamp}, true},
		"write without versionstamp":   {write, &datapath.AtomicWriteOutput{Status: datapath.AtomicWriteStatus_AW_SUCCESS}, false},
		"write with zero versionstamp": {write, &datapath.AtomicWriteOutput{Status: datapath.AtomicWriteStatus_AW_SUCCESS, Versionstamp: make([]byte, 10)}, false},
		"write refused by a check":     {write, &datapath.AtomicWriteOutput{Status: datapath.AtomicWriteStatus_AW_CHECK_FAILURE}, false},
		"write disabled":               {write, &datapath.AtomicWriteOutput{Status: datapath.AtomicWriteStatus_AW_WRITE_DISABLED, Versionstamp: stamp}, false},
		"watch":                        {watch, &datapath.WatchOutput{Status: success, Keys: []*datapath.WatchKeyOutput{{Changed: true, EntryIfChanged: good}}}, true},
		"watch of an absent key":       {watch, &datapath.WatchOutput{Status: success, Keys: []*datapath.WatchKeyOutput{{Changed: true}}}, false},
		"watch disabled":               {watch, &datapath.WatchOutput{Status: datapath.SnapshotReadStatus_SR_READ_DISABLED}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reply := marshal(t, c.reply)
			err := c.parse(reply)
			var wrong *wrongReplyError
			if (err == nil) != c.ok || strings.Contains(name, "versionstamp") && !errors.As(err, &wrong) {
				t.Errorf("the reply gives %v", err)
			}
			if len(reply) > 0 && c.ok {
				if err := c.parse(reply[:len(reply)-1]); err == nil {
					t.Error("a reply that is cut short passes")
				}
			}
		})
	}
}
