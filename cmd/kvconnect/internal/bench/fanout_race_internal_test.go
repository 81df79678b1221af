package bench

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/protocol/datapath"
)

// News of a write that failed may come while the next one begins. It is not taken for
// news of that one.
func TestNewsOfAWriteThatFailed(t *testing.T) {
	t.Parallel()
	fan := newFanOut()
	one := &watcher{fan: fan, recorder: newRecorder(window{}), seen: math.MaxUint64}
	news := func(number uint64) []byte {
		message := marshal(t, &datapath.WatchOutput{
			Status: datapath.SnapshotReadStatus_SR_SUCCESS,
			Keys: []*datapath.WatchKeyOutput{{Changed: true, EntryIfChanged: &datapath.KvEntry{
				Key: []byte("k"), Value: binary.LittleEndian.AppendUint64(nil, number),
				Encoding: datapath.ValueEncoding_VE_BYTES, Versionstamp: make([]byte, 10),
			}}},
		})
		return append(binary.LittleEndian.AppendUint32(nil, uint32(len(message))), message...)
	}
	for number := uint64(0); number < 100_000; number += 2 {
		late := news(number)
		fan.begin(number, time.Now(), 1)
		seen := make(chan struct{})
		go func() {
			defer close(seen)
			one.take(late)
		}()
		fan.begin(number+1, time.Now(), 1)
		<-seen
		if len(fan.all) > 0 {
			t.Fatalf("write %d was seen before it was made", number+1)
		}
	}
}
