package conformance

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
)

// No acknowledged write may be lost when the process is killed, and none may be
// there in part.
func TestKilledServerLosesNoAcknowledgedWrite(t *testing.T) {
	t.Parallel()
	const rounds, workers, writesBeforeTheKill = 5, 8, 200
	server := startProcess(t, filepath.Join(t.TempDir(), "kv.sqlite"), "")
	acknowledged := make([]atomic.Uint64, workers) // the last number that each worker had acknowledged
	for round := range rounds {
		client := httpClients["HTTP2"]()
		db, err := openHTTP(t.Context(), client, server.url, processToken)
		if err != nil {
			t.Fatal(err)
		}
		var written atomic.Int64
		enough := make(chan struct{})
		var wait sync.WaitGroup
		for worker := range workers {
			wait.Go(func() {
				for {
					next := acknowledged[worker].Load() + 1
					if err := writePair(t, db, worker, next); err != nil {
						return // the server is gone
					}
					acknowledged[worker].Store(next)
					if written.Add(1) == writesBeforeTheKill {
						close(enough)
					}
				}
			})
		}
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			wait.Wait()
		}()
		select {
		case <-enough:
		case <-stopped:
			t.Fatal("the writes failed before the server was killed")
		}
		server.kill(t)
		<-stopped
		client.CloseIdleConnections()

		server = server.restart(t)
		if db, err = openHTTP(t.Context(), client, server.url, processToken); err != nil {
			t.Fatal(err)
		}
		for worker := range workers {
			stored, err := readPair(t, db, worker)
			if err != nil {
				t.Fatal(err)
			}
			// The write under way when the server died may have been made.
			want := acknowledged[worker].Load()
			if stored != want && stored != want+1 {
				t.Errorf("round %d: worker %d had %d acknowledged, stored is %d", round, worker, want, stored)
			}
			acknowledged[worker].Store(stored)
		}
		client.CloseIdleConnections()
	}
	server.stop(t)
}

// writePair sets two keys to n in one write.
func writePair(t *testing.T, db database, worker int, n uint64) error {
	t.Helper()
	_, err := db.atomicWrite(t.Context(), protocol.AtomicWrite{Mutations: []protocol.Mutation{
		set(pairKey(worker, 0), protocol.U64Value(n)), set(pairKey(worker, 1), protocol.U64Value(n)),
	}})
	return err
}

// readPair gives the number in the two keys, which must be the same.
func readPair(t *testing.T, db database, worker int) (uint64, error) {
	t.Helper()
	output, err := db.snapshotRead(t.Context(), protocol.SnapshotRead{Ranges: []protocol.ReadRange{
		{Start: pairKey(worker, 0), End: pairKey(worker, 2), Limit: 2},
	}})
	if err != nil {
		return 0, err
	}
	entries := output.Ranges[0]
	if len(entries) != 2 || entries[0].Versionstamp != entries[1].Versionstamp {
		return 0, fmt.Errorf("half of a write is there: %v", entries)
	}
	return binary.LittleEndian.Uint64(entries[0].Value.Data), nil
}

func pairKey(worker, half int) []byte { return []byte{0x02, 'p', byte(worker), byte(half)} }
