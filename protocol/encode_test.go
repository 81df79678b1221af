package protocol_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
)

// wantBody checks that an output was encoded as by the reference, into memory of
// exactly that size.
func wantBody[Output any](t *testing.T, body []byte, err error, output Output, reference func(Output) ([]byte, error)) {
	t.Helper()
	want, wantErr := reference(output)
	if err != nil || wantErr != nil {
		t.Fatalf("error %v, of the reference %v", err, wantErr)
	}
	if !bytes.Equal(body, want) {
		t.Errorf("encoded as\n%x, by the reference as\n%x", body, want)
	}
	if cap(body) != len(body) {
		t.Errorf("%d bytes are encoded into %d", len(body), cap(body))
	}
}

func TestEncodeSnapshotReadOutput(t *testing.T) {
	t.Parallel()
	body, err := protocol.SnapshotReadOutput{Ranges: [][]protocol.Entry{
		{{Key: []byte{1}, Value: protocol.U64Value(7), Versionstamp: protocol.VersionstampOf(258)}},
		{},
	}}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	var got datapath.SnapshotReadOutput
	if err := proto.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	want := &datapath.SnapshotReadOutput{
		Ranges: []*datapath.ReadRangeOutput{
			{Values: []*datapath.KvEntry{{
				Key: []byte{1}, Value: []byte{7, 0, 0, 0, 0, 0, 0, 0}, Encoding: datapath.ValueEncoding_VE_LE64,
				Versionstamp: []byte{0, 0, 0, 0, 0, 0, 1, 2, 0, 0},
			}}},
			{},
		},
		ReadIsStronglyConsistent: true,
		Status:                   datapath.SnapshotReadStatus_SR_SUCCESS,
	}
	if diff := cmp.Diff(want, &got, protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEncodeAtomicWriteOutput(t *testing.T) {
	t.Parallel()
	versionstamp := protocol.VersionstampOf(1)
	for name, c := range map[string]struct {
		output protocol.AtomicWriteOutput
		want   *datapath.AtomicWriteOutput
	}{
		"committed": {
			protocol.AtomicWriteOutput{Status: protocol.AtomicWriteCommitted, Versionstamp: versionstamp},
			&datapath.AtomicWriteOutput{Status: datapath.AtomicWriteStatus_AW_SUCCESS, Versionstamp: versionstamp[:]},
		},
		"check failed": {
			protocol.AtomicWriteOutput{Status: protocol.AtomicWriteCheckFailed, FailedChecks: []uint32{0, 2}},
			&datapath.AtomicWriteOutput{Status: datapath.AtomicWriteStatus_AW_CHECK_FAILURE, FailedChecks: []uint32{0, 2}},
		},
		"check failed, of which nothing is known": {
			protocol.AtomicWriteOutput{Status: protocol.AtomicWriteCheckFailed},
			&datapath.AtomicWriteOutput{Status: datapath.AtomicWriteStatus_AW_CHECK_FAILURE},
		},
		"disabled": {
			protocol.AtomicWriteOutput{Status: protocol.AtomicWriteDisabled},
			&datapath.AtomicWriteOutput{Status: datapath.AtomicWriteStatus_AW_WRITE_DISABLED},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body, err := c.output.Encode()
			wantBody(t, body, err, c.output, referenceAtomicWriteOutput)
			var got datapath.AtomicWriteOutput
			if err := proto.Unmarshal(body, &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, &got, protocmp.Transform()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if _, err := (protocol.AtomicWriteOutput{}).Encode(); err == nil {
		t.Error("an output without a status was encoded")
	}
}

func TestEncodeWatchFrameMarksEveryKeyAsChanged(t *testing.T) {
	t.Parallel()
	frame, err := protocol.WatchOutput{Entries: []*protocol.Entry{
		nil,
		{Key: []byte{1}, Value: protocol.Value{Data: []byte{2}, Encoding: protocol.EncodingBytes}, Versionstamp: protocol.VersionstampOf(1)},
	}}.EncodeFrame()
	if err != nil {
		t.Fatal(err)
	}
	if n := binary.LittleEndian.Uint32(frame); int(n) != len(frame)-4 {
		t.Errorf("the frame says that %d bytes follow, and %d do", n, len(frame)-4)
	}
	var got datapath.WatchOutput
	if err := proto.Unmarshal(frame[4:], &got); err != nil {
		t.Fatal(err)
	}
	want := &datapath.WatchOutput{
		Status: datapath.SnapshotReadStatus_SR_SUCCESS,
		Keys: []*datapath.WatchKeyOutput{
			{Changed: true},
			{Changed: true, EntryIfChanged: &datapath.KvEntry{
				Key: []byte{1}, Value: []byte{2}, Encoding: datapath.ValueEncoding_VE_BYTES,
				Versionstamp: []byte{0, 0, 0, 0, 0, 0, 0, 1, 0, 0},
			}},
		},
	}
	if diff := cmp.Diff(want, &got, protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReadDisabledFrame(t *testing.T) {
	t.Parallel()
	frame := protocol.ReadDisabledFrame()
	if got, want := binary.LittleEndian.Uint32(frame), len(frame)-4; int(got) != want {
		t.Errorf("the frame says %d bytes and has %d", got, want)
	}
	var got datapath.WatchOutput
	if err := proto.Unmarshal(frame[4:], &got); err != nil {
		t.Fatal(err)
	}
	want := &datapath.WatchOutput{Status: datapath.SnapshotReadStatus_SR_READ_DISABLED}
	if diff := cmp.Diff(want, &got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	frame[4] = 0
	if bytes.Equal(frame, protocol.ReadDisabledFrame()) {
		t.Error("two frames share their memory")
	}
}

func TestSharedWatchFrame(t *testing.T) {
	t.Parallel()
	state := protocol.WatchOutput{Entries: []*protocol.Entry{nil, {Key: []byte{1}, Versionstamp: protocol.VersionstampOf(1)}}}
	want, err := state.EncodeFrame()
	if err != nil {
		t.Fatal(err)
	}
	shared := state.Shared()
	copied := shared
	one, err := shared.EncodeFrame()
	if err != nil || !bytes.Equal(one, want) {
		t.Fatalf("the frame is %x, %v, want %x", one, err, want)
	}
	if other, err := copied.EncodeFrame(); err != nil || &other[0] != &one[0] {
		t.Errorf("the frame was made again: %x, %v", other, err)
	}
}

func TestWatchOutputVersionstamps(t *testing.T) {
	t.Parallel()
	v := protocol.VersionstampOf(1)
	got := protocol.WatchOutput{Entries: []*protocol.Entry{nil, {Versionstamp: v}, nil}}.Versionstamps()
	if diff := cmp.Diff([]protocol.Versionstamp{{}, v, {}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
