package protocol_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
)

// Keys and values lie in the body of the request. Who appends to one must not write
// into its neighbour.
func TestAppendsToWhatWasDecodedDoNotReachTheBody(t *testing.T) {
	t.Parallel()
	readBody := marshal(t, &datapath.SnapshotRead{Ranges: []*datapath.ReadRange{{Start: []byte("a"), End: []byte("b"), Limit: 1}}})
	read, err := protocol.DecodeSnapshotRead(readBody)
	if err != nil {
		t.Fatal(err)
	}
	writeBody := marshal(t, &datapath.AtomicWrite{
		Checks: []*datapath.Check{{Key: []byte("a"), Versionstamp: filled(10)}},
		Mutations: []*datapath.Mutation{{
			Key: []byte("n"), MutationType: datapath.MutationType_M_SUM,
			Value:  &datapath.KvValue{Data: []byte("\xff\x0fI\x02"), Encoding: datapath.ValueEncoding_VE_V8},
			SumMin: []byte("\xff\x0fI\x00"), SumMax: []byte("\xff\x0fI\x04"), SumClamp: true,
		}},
	})
	write, err := protocol.DecodeAtomicWrite(writeBody)
	if err != nil {
		t.Fatal(err)
	}
	wantRead, wantWrite := string(readBody), string(writeBody)
	m := write.Mutations[0]
	for _, shared := range [][]byte{
		read.Ranges[0].Start, read.Ranges[0].End, write.Checks[0].Key, m.Key, m.Value.Data, m.SumMin, m.SumMax,
	} {
		_ = append(shared, 0xee)
	}
	if diff := cmp.Diff(wantRead, string(readBody)); diff != "" {
		t.Errorf("the body of the read changed (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(wantWrite, string(writeBody)); diff != "" {
		t.Errorf("the body of the write changed (-before +after):\n%s", diff)
	}
}

// A watch lives for long, and its body may be thousands of times its keys.
func TestKeysOfAWatchShareNoMemoryWithTheBody(t *testing.T) {
	t.Parallel()
	body := marshal(t, watchOf(2))
	watch, err := protocol.DecodeWatch(body)
	if err != nil {
		t.Fatal(err)
	}
	clear(body)
	if diff := cmp.Diff([][]byte{benchKey(0), benchKey(1)}, watch.Keys); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
