package sqlitebackend_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// A read that takes longer than the keys in it take to expire, one after the other, ends
// all the same, long before the last of them has expired.
func TestLongReadOfKeysThatExpire(t *testing.T) {
	t.Parallel()
	backend := open(t, sqlitebackend.Options{Path: tempPath(t), Durability: sqlitebackend.DurabilityNormal})
	const (
		keys    = protocol.MaxReadEntries
		atOnce  = 20 // as many as fit a write
		apart   = 4 * time.Millisecond
		filling = 3 * time.Second
	)
	begin := time.Now().Add(filling)
	value := string(make([]byte, 40_000))
	var mutations []protocol.Mutation
	for i := range keys { // what expires last comes first
		key := set(fmt.Sprintf("%04d", keys-i), value)
		key.ExpireAtMs = begin.Add(time.Duration(i) * apart).UnixMilli()
		if mutations = append(mutations, key); len(mutations) == atOnce {
			commit(t, backend, mutations...)
			mutations = nil
		}
	}
	if time.Now().After(begin) {
		t.Skip("this machine is too slow today to write the keys before they expire")
	}
	left := keys
	for left == keys {
		output, err := backend.SnapshotRead(t.Context(), protocol.SnapshotRead{
			Ranges: []protocol.ReadRange{{End: []byte{0xff}, Limit: protocol.MaxReadEntries}},
		})
		if err != nil {
			t.Fatal(err)
		}
		left = len(output.Ranges[0])
	}
	if left < keys/2 {
		t.Errorf("when the first read ended that met an expiry, %d of %d keys were left", left, keys)
	}
}
