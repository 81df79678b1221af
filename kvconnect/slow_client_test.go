package kvconnect_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
	"github.com/kvconnect/kvconnect/transport"
)

// stallTimeout is waited for by these tests, and no client of theirs that reads takes longer
// than stallPatience to do so on a busy machine.
const (
	stallTimeout  = 2 * time.Second
	stallPatience = 30 * time.Second
)

// stalled counts what was cut off, whatever carries it.
func (s *liveServer) stalled() uint64 {
	stalled := s.server.StalledReplies()
	if loop, ok := s.http.(*transport.Server); ok {
		stalled += loop.Stats().Stalled
	}
	return stalled
}

func (s *liveServer) set(t *testing.T, value []byte, keys ...[]byte) {
	t.Helper()
	var write protocol.AtomicWrite
	for _, key := range keys {
		write.Mutations = append(write.Mutations, protocol.Mutation{
			Type: protocol.MutationSet, Key: key, Value: protocol.Value{Data: value, Encoding: protocol.EncodingBytes},
		})
	}
	if _, err := s.backend.AtomicWrite(t.Context(), write); err != nil {
		t.Fatal(err)
	}
}

// A watch that its client does not read is cut off and lets go of all it holds. Another one,
// of the same client, and its calls go on.
func TestUnreadWatchEnds(t *testing.T) {
	t.Parallel()
	for name, way := range ways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := way.start(t, func(o *setup) { o.StallTimeout, o.WatchKeepAlive = stallTimeout, stallTimeout/5 })
			unread, read := []byte{1}, []byte{2}
			lively := s.openWatch(t, read)
			nextFrame(t, lively)
			stream := s.openWatch(t, unread, unread, unread, unread, unread)
			value := make([]byte, protocol.MaxValueBytes)
			for deadline := time.Now().Add(stallPatience); s.stalled() == 0 || s.server.OpenFeeds() > 1; {
				if time.Now().After(deadline) {
					t.Fatalf("%d replies were cut off, %d watches are open", s.stalled(), s.server.OpenFeeds())
				}
				s.set(t, value, unread)
			}
			if _, err := io.Copy(io.Discard, stream); err == nil {
				t.Error("the watch has ended in order: its client would not open it again at once")
			}
			s.set(t, []byte("news"), read)
			for frame := []byte(nil); !bytes.Contains(frame, []byte("news")); {
				frame = nextFrame(t, lively)
			}
			if reply := s.call(t, "snapshot_read", nil); reply.status != http.StatusOK {
				t.Errorf("another call: status %d: %s", reply.status, reply.body)
			}
			if got := s.stalled(); got != 1 {
				t.Errorf("%d replies were cut off", got)
			}
		})
	}
}

// askForMuch gives what asks for more than the buffers of a connection hold.
func (s *liveServer) askForMuch(t *testing.T) (ask func() io.ReadCloser, bytesAtLeast int64) {
	t.Helper()
	const entries, entriesPerWrite = 300, 10
	for first := 0; first < entries; first += entriesPerWrite {
		var keys [][]byte
		for n := range entriesPerWrite {
			keys = append(keys, binary.BigEndian.AppendUint16(nil, uint16(first+n)))
		}
		s.set(t, make([]byte, protocol.MaxValueBytes), keys...)
	}
	body := marshal(t, &datapath.SnapshotRead{Ranges: []*datapath.ReadRange{{Start: []byte{0}, End: []byte{9}, Limit: entries}}})
	header := s.dataPathHeader(t)
	return func() io.ReadCloser {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v2/snapshot_read", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header = header
		reply, err := s.client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = reply.Body.Close() })
		return reply.Body
	}, entries * protocol.MaxValueBytes
}

// So is a reply, and another one that is read comes whole.
func TestUnreadReplyEnds(t *testing.T) {
	t.Parallel()
	for name, way := range ways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := way.start(t, func(o *setup) { o.StallTimeout = stallTimeout })
			ask, bytesAtLeast := s.askForMuch(t)
			unread, read := ask(), ask()
			if n, err := io.Copy(io.Discard, read); err != nil || n < bytesAtLeast {
				t.Errorf("the reply that is read: %d bytes, %v", n, err)
			}
			for deadline := time.Now().Add(stallPatience); s.stalled() == 0; {
				if time.Now().After(deadline) {
					t.Fatal("the reply is not cut off")
				}
				if reply := s.do(t, http.MethodGet, "/healthz", nil, nil); reply.status != http.StatusOK {
					t.Fatalf("another request: status %d", reply.status)
				}
			}
			if _, err := io.Copy(io.Discard, unread); err == nil {
				t.Error("the reply that was not read came whole")
			}
		})
	}
}

// A stop waits for such a reply for some seconds only, and not for as long as it may otherwise
// take.
func TestDrainEndsUnreadReplies(t *testing.T) {
	t.Parallel()
	for name, way := range ways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := way.start(t, asIs)
			ask, _ := s.askForMuch(t)
			unread := ask()
			s.server.Drain()
			ctx, cancel := context.WithTimeout(t.Context(), stallPatience)
			defer cancel()
			if err := s.http.Shutdown(ctx); err != nil {
				t.Errorf("it waits: %v", err)
			}
			if _, err := io.Copy(io.Discard, unread); err == nil {
				t.Error("the reply that was not read came whole")
			}
		})
	}
}
