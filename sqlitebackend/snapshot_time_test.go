package sqlitebackend

import (
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
)

// steppedClock shows the time that a test has set.
type steppedClock struct {
	systemClock
	nowMs atomic.Int64
}

func (c *steppedClock) Now() time.Time { return time.UnixMilli(c.nowMs.Load()) }

// Whatever expires while a read goes on that was begun anew, it is as of its beginning:
// a long read would begin anew for as long as keys expire otherwise.
func TestReadBegunAnewHasItsTimeFirst(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]bool{"first try": false, "begun anew": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			backend, err := Open(Options{Path: filepath.Join(t.TempDir(), "kv.sqlite")})
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			expiry, end := begin.Add(time.Hour), begin.Add(2*time.Hour)
			if _, err := backend.AtomicWrite(t.Context(), protocol.AtomicWrite{Mutations: []protocol.Mutation{{
				Type: protocol.MutationSet, Key: []byte("a"), Value: protocol.U64Value(1), ExpireAtMs: expiry.UnixMilli(),
			}}}); err != nil {
				t.Fatal(err)
			}
			stepped := &steppedClock{} // of this read alone; the backend has the true time
			stepped.nowMs.Store(begin.UnixMilli())
			clock := &expiryClock{clock: stepped}
			c := takeConn(t, backend.reads)
			if err := c.exec(beginRead); err != nil {
				t.Fatal(err)
			}
			at, err := c.snapshotTime(clock, again)
			if err != nil {
				t.Fatal(err)
			}
			stepped.nowMs.Store(end.UnixMilli()) // what a long read takes
			entries, err := readRange(c, protocol.ReadRange{End: []byte{0xff}, Limit: 10}, &at)
			switch {
			case again && (err != nil || len(entries) != 1):
				t.Errorf("%d entries, error %v", len(entries), err)
			case !again && !errors.Is(err, errUndecided):
				t.Errorf("%d entries, error %v, want errUndecided", len(entries), err)
			}
			if err := c.endRead(); err != nil {
				t.Error(err)
			}
			backend.reads.put(c)
			if err := backend.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
