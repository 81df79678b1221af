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
	"google.golang.org/protobuf/proto"
)

// openWatch begins a watch and gives its stream.
func (s *liveServer) openWatch(t *testing.T, keys ...[]byte) io.ReadCloser {
	t.Helper()
	return s.openWatchWith(t, s.dataPathHeader(t), keys...)
}

func (s *liveServer) openWatchWith(t *testing.T, header http.Header, keys ...[]byte) io.ReadCloser {
	t.Helper()
	var message datapath.Watch
	for _, key := range keys {
		message.Keys = append(message.Keys, &datapath.WatchKey{Key: key})
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v2/watch", bytes.NewReader(marshal(t, &message)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header
	reply, err := s.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if reply.StatusCode != http.StatusOK || reply.Header.Get("Content-Type") != "application/octet-stream" {
		t.Fatalf("status %d, content type %s", reply.StatusCode, reply.Header.Get("Content-Type"))
	}
	t.Cleanup(func() { _ = reply.Body.Close() })
	return reply.Body
}

// abandon sends a request and goes away once it is begun.
func (s *liveServer) abandon(request *http.Request, begun <-chan struct{}) {
	ctx, leave := context.WithCancel(request.Context())
	defer leave()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		if reply, err := s.client.Do(request.WithContext(ctx)); err == nil {
			_ = reply.Body.Close()
		}
	}()
	<-begun
	leave()
	<-gone
}

// nextFrame reads one frame; empty ones too.
func nextFrame(t *testing.T, stream io.Reader) []byte {
	t.Helper()
	var header [4]byte
	if _, err := io.ReadFull(stream, header[:]); err != nil {
		t.Fatal(err)
	}
	frame := make([]byte, binary.LittleEndian.Uint32(header[:]))
	if _, err := io.ReadFull(stream, frame); err != nil {
		t.Fatal(err)
	}
	return frame
}

func TestWatchIsKeptAlive(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) { o.WatchKeepAlive = time.Millisecond })
	stream := s.openWatch(t, []byte{1})
	if len(nextFrame(t, stream)) == 0 {
		t.Error("the first frame is empty")
	}
	for range 3 {
		if frame := nextFrame(t, stream); len(frame) != 0 {
			t.Errorf("a frame that keeps the stream alive has %d bytes", len(frame))
		}
	}
}

// The time that the body may take says nothing about the stream that follows.
func TestWatchOutlivesTheBodyTimeout(t *testing.T) {
	t.Parallel()
	for name, way := range ways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := way.start(t, func(o *setup) {
				o.BodyTimeout, o.WatchKeepAlive = 20*time.Millisecond, 5*time.Millisecond
			})
			stream := s.openWatch(t, []byte{1})
			for begun := time.Now(); time.Since(begun) < 5*s.options.BodyTimeout; {
				nextFrame(t, stream)
			}
		})
	}
}

// Deno opens such a watch for watch([]).
func TestWatchOfNoKeys(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) { o.WatchKeepAlive = time.Millisecond })
	stream := s.openWatch(t)
	var output datapath.WatchOutput
	if err := proto.Unmarshal(nextFrame(t, stream), &output); err != nil {
		t.Fatal(err)
	}
	if output.GetStatus() != datapath.SnapshotReadStatus_SR_SUCCESS || len(output.GetKeys()) != 0 {
		t.Errorf("first frame: %v", &output)
	}
	for range 3 {
		if frame := nextFrame(t, stream); len(frame) != 0 {
			t.Errorf("a further frame has %d bytes", len(frame))
		}
	}
}

// A delete of an absent key wakes the watcher but is no news.
func TestWatchTellsNoStateTwice(t *testing.T) {
	t.Parallel()
	s := start(t, asIs)
	key := []byte{1}
	stream := s.openWatch(t, key)
	nextFrame(t, stream)
	for _, mutation := range []protocol.Mutation{
		{Type: protocol.MutationDelete, Key: key},
		{Type: protocol.MutationSet, Key: key, Value: protocol.U64Value(7)},
	} {
		if _, err := s.backend.AtomicWrite(t.Context(), protocol.AtomicWrite{Mutations: []protocol.Mutation{mutation}}); err != nil {
			t.Fatal(err)
		}
	}
	var output datapath.WatchOutput
	if err := proto.Unmarshal(nextFrame(t, stream), &output); err != nil {
		t.Fatal(err)
	}
	if output.GetKeys()[0].GetEntryIfChanged() == nil {
		t.Error("the second frame tells again that the key is absent")
	}
}
