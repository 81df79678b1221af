package sqlitebackend_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// While clients without a pause write what soon expires, as much goes as comes.
func TestSweepKeepsUpWithWriters(t *testing.T) {
	t.Parallel()
	const (
		writers, keysOfWrite = 32, 20
		lives, lasts         = 100 * time.Millisecond, 3 * time.Second
	)
	backend := open(t, sqlitebackend.Options{Path: tempPath(t)})
	ctx, cancel := context.WithTimeout(t.Context(), lasts)
	defer cancel()
	var written atomic.Int64
	var wait sync.WaitGroup
	for writer := range writers {
		wait.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				var write protocol.AtomicWrite
				for i := range keysOfWrite {
					mutation := set(fmt.Sprintf("%08x/%d/%d", uint32(n*writers+writer)*2654435761, writer, i), "1")
					mutation.ExpireAtMs = time.Now().Add(lives).UnixMilli()
					write.Mutations = append(write.Mutations, mutation)
				}
				if _, err := backend.AtomicWrite(ctx, write); err == nil {
					written.Add(keysOfWrite)
				}
			}
		})
	}
	wait.Wait()
	stored, err := backend.StoredKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if stored > written.Load()*3/4 {
		t.Errorf("%d of %d keys written are in the file, and all that are older than %v have expired", stored, written.Load(), lives)
	}
}
