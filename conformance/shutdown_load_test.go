package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
	"google.golang.org/protobuf/proto"
)

const (
	stopWatches      = 1000
	stopShortWatches = 100 // in short mode
	stopWriters      = 16
	stopConnections  = 4 // of HTTP/2, which the watches share
	stopWrites       = 200
)

// A server that is told to stop under load, with a thousand watches open, loses no write that
// it has acknowledged and leaves no client in doubt: what is in the file was acknowledged, so
// no connection broke between commit and reply. Watches end in order.
func TestStopUnderLoad(t *testing.T) {
	t.Parallel()
	overTransports(t, func(t *testing.T, over transportKind) {
		for name, newClient := range httpClients {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				runStopUnderLoad(t, over, name, newClient)
			})
		}
	})
}

func runStopUnderLoad(t *testing.T, over transportKind, protocolName string, newClient func() *http.Client) {
	server := serverOptions{transport: over}.start(t)
	s := &stopUnderLoad{server: server, newClient: newClient, acknowledged: make(map[string]bool), broken: make(map[string]error)}
	defer s.close()
	s.openWatches(t)
	for i := range stopWriters {
		s.writers.Go(func() { s.write(t, i) })
	}
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(processPatience); s.count() < stopWrites && time.Now().Before(deadline); {
		<-ticker.C
	}
	told := time.Now()
	server.terminate(t)
	server.awaitStop(t)
	took := time.Since(told)
	s.writers.Wait()
	s.watches.Wait()
	if strings.Contains(server.stderr.String(), "requests were cut off") {
		t.Errorf("requests were cut off:\n%s", server.stderr)
	}
	s.check(t, server.restart(t))
	t.Logf("%s, %s: stopped %d ms after the signal, with %d watches; %d writes acknowledged, %d refused, %d without a reply and not in the file",
		over, protocolName, took.Milliseconds(), s.open.Load(), len(s.acknowledged), s.refused.Load(), len(s.broken))
}

// stopUnderLoad is the clients of a server that is told to stop, and what they saw.
type stopUnderLoad struct {
	server    *process
	newClient func() *http.Client
	clients   []*http.Client
	writers   sync.WaitGroup
	watches   sync.WaitGroup
	open      atomic.Int64 // watches that were open
	refused   atomic.Int64 // writes with a 503

	mu           sync.Mutex
	acknowledged map[string]bool  // keys that were written; guarded by mu
	broken       map[string]error // keys whose write had no reply; guarded by mu
}

func (s *stopUnderLoad) close() {
	for _, client := range s.clients {
		client.CloseIdleConnections()
	}
}

func (s *stopUnderLoad) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.acknowledged)
}

// connect opens the database with a client of its own.
func (s *stopUnderLoad) connect(t *testing.T) *httpDatabase {
	t.Helper()
	client := s.newClient()
	s.clients = append(s.clients, client)
	db, err := openHTTP(t.Context(), client, s.server.url, processToken)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// newestKey is the key that a writer writes each time.
func newestKey(writer int) []byte { return fmt.Appendf(nil, "newest/%02d", writer) }

// openWatches opens the watches of the newest keys, and has them read.
func (s *stopUnderLoad) openWatches(t *testing.T) {
	t.Helper()
	watches := stopWatches
	if testing.Short() {
		watches = stopShortWatches
	}
	var dbs [stopConnections]*httpDatabase
	for i := range dbs {
		dbs[i] = s.connect(t)
	}
	for i := range watches {
		db := dbs[i%len(dbs)]
		body, err := proto.Marshal(watchMessage(newestKey(i % stopWriters)))
		if err != nil {
			t.Fatal(err)
		}
		// Not the context of the test, or its end would look like one of the server.
		request, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodPost, db.url("watch"), bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header = db.header()
		response, err := db.client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != http.StatusOK {
			t.Fatalf("watch %d: status %d", i, response.StatusCode)
		}
		s.open.Add(1)
		s.watches.Go(func() {
			defer func() { _ = response.Body.Close() }() // only read
			for {
				if _, err := readFrame(response.Body); errors.Is(err, io.EOF) {
					return
				} else if err != nil {
					t.Errorf("a watch did not end in order: %v", err)
					return
				}
			}
		})
	}
}

// write writes one key after another until the server is gone.
func (s *stopUnderLoad) write(t *testing.T, writer int) {
	client := s.newClient()
	defer client.CloseIdleConnections()
	db, err := openHTTP(t.Context(), client, s.server.url, processToken)
	if err != nil {
		t.Error(err)
		return
	}
	for n := 0; ; n++ {
		key := fmt.Appendf(nil, "w/%02d/%08d", writer, n)
		output, err := db.atomicWrite(t.Context(), protocol.AtomicWrite{
			Checks:    []protocol.Check{{Key: key}}, // a client must not have sent it again
			Mutations: []protocol.Mutation{set(key, text("x")), set(newestKey(writer), text(string(key)))},
		})
		var status *statusError
		switch {
		case err == nil && output.Status == protocol.AtomicWriteCommitted:
			s.mu.Lock()
			s.acknowledged[string(key)] = true
			s.mu.Unlock()
		case err == nil:
			t.Errorf("write %s ended with %v", key, output.Status)
			return
		case errors.As(err, &status) && status.status == http.StatusServiceUnavailable:
			s.refused.Add(1)
		case errors.As(err, &status):
			t.Errorf("write %s: %v", key, err)
			return
		case errors.Is(err, syscall.ECONNREFUSED):
			return // nobody listens any more
		default:
			s.mu.Lock()
			s.broken[string(key)] = err
			s.mu.Unlock()
		}
	}
}

// check compares what the clients saw with what the server finds.
func (s *stopUnderLoad) check(t *testing.T, server *process) {
	t.Helper()
	client := s.newClient()
	defer client.CloseIdleConnections()
	db, err := openHTTP(t.Context(), client, server.url, processToken)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]bool)
	for start := []byte("w/"); ; {
		output, err := db.snapshotRead(t.Context(), protocol.SnapshotRead{
			Ranges: []protocol.ReadRange{{Start: start, End: []byte("w0"), Limit: protocol.MaxReadEntries}},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range output.Ranges[0] {
			found[string(entry.Key)] = true
			start = keyAfter(entry.Key)
		}
		if len(output.Ranges[0]) < protocol.MaxReadEntries {
			break
		}
	}
	if len(s.acknowledged) < stopWrites {
		t.Errorf("only %d writes were acknowledged, which proves little", len(s.acknowledged))
	}
	for key := range s.acknowledged {
		if !found[key] {
			t.Errorf("%s was acknowledged and is lost", key)
		}
	}
	for key := range found {
		if !s.acknowledged[key] {
			t.Errorf("%s was written, and its client was told: %v", key, s.broken[key])
		}
	}
}
