package kvconnect_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/protocol"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	s := start(t, asIs)
	for _, path := range []string{"/healthz", "/readyz"} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			if reply := s.do(t, method, path, nil, nil); reply.status != http.StatusOK {
				t.Errorf("%s %s: status %d: %s", method, path, reply.status, reply.body)
			}
		}
	}
}

// slowBackend holds writes until it is told to go on.
type slowBackend struct {
	kvconnect.Backend
	begun, goOn chan struct{}
}

func (b slowBackend) AtomicWrite(ctx context.Context, write protocol.AtomicWrite) (protocol.AtomicWriteOutput, error) {
	b.begun <- struct{}{}
	<-b.goOn
	return b.Backend.AtomicWrite(ctx, write)
}

func TestDrain(t *testing.T) {
	t.Parallel()
	for name, way := range ways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testDrain(t, way)
		})
	}
}

func testDrain(t *testing.T, way way) {
	t.Helper()
	slow := slowBackend{begun: make(chan struct{}), goOn: make(chan struct{})}
	s := way.start(t, func(o *setup) {
		slow.Backend = o.backend
		o.backend = slow
	})
	header := s.dataPathHeader(t)
	stream := s.openWatch(t, []byte{1})
	nextFrame(t, stream)
	written := make(chan response, 1)
	go func() { written <- s.call(t, "atomic_write", nil) }()
	<-slow.begun

	s.server.Drain()
	s.server.Drain() // a second time does no harm
	if _, err := io.ReadAll(stream); err != nil {
		t.Errorf("the watch did not end in order: %v", err)
	}
	for path, want := range map[string]int{"/healthz": http.StatusOK, "/readyz": http.StatusServiceUnavailable} {
		if reply := s.do(t, http.MethodGet, path, nil, nil); reply.status != want {
			t.Errorf("%s: status %d: %s", path, reply.status, reply.body)
		}
	}
	for _, path := range []string{"/", "/v2/snapshot_read"} {
		reply := s.do(t, http.MethodPost, path, header, nil)
		if reply.status != http.StatusServiceUnavailable || !strings.Contains(reply.body, "the server is shutting down") {
			t.Errorf("a new request of %s: status %d: %s", path, reply.status, reply.body)
		}
	}
	shutdown := make(chan error, 1)
	go func() { shutdown <- s.http.Shutdown(context.WithoutCancel(t.Context())) }()
	close(slow.goOn)
	if reply := <-written; reply.status != http.StatusOK {
		t.Errorf("the request under way: status %d: %s", reply.status, reply.body)
	}
	if err := <-shutdown; err != nil && !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("shutdown: %v", err)
	}
}

// A client that does not read its watch must not hold up the end.
func TestDrainWithAWatchThatNobodyReads(t *testing.T) {
	t.Parallel()
	for name, way := range ways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := way.start(t, asIs)
			key := []byte{1}
			s.openWatch(t, key, key, key, key, key)
			value := protocol.Value{Data: make([]byte, protocol.MaxValueBytes), Encoding: protocol.EncodingBytes}
			for range 100 {
				if _, err := s.backend.AtomicWrite(t.Context(), protocol.AtomicWrite{
					Mutations: []protocol.Mutation{{Type: protocol.MutationSet, Key: key, Value: value}},
				}); err != nil {
					t.Fatal(err)
				}
			}
			s.server.Drain()
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
			defer cancel()
			if err := s.http.Shutdown(ctx); err != nil {
				t.Errorf("shutdown: %v", err)
			}
		})
	}
}
