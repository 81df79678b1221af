package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
	"google.golang.org/protobuf/proto"
)

// The client of net/http, which programs in Go use, under what they do to it.
func TestGoClient(t *testing.T) {
	t.Parallel()
	overTransports(t, func(t *testing.T, over transportKind) {
		server := serverOptions{transport: over}.start(t)
		for name, newClient := range httpClients {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				g := &goClient{client: newClient(), prefix: name, multiplexes: name == "HTTP2"}
				t.Cleanup(g.client.CloseIdleConnections)
				var err error
				if g.db, err = openHTTP(t.Context(), g.client, server.url, processToken); err != nil {
					t.Fatal(err)
				}
				for name, check := range map[string]func(*testing.T){
					"cancelled calls": g.cancelCalls, "large replies at once": g.readMuch, "expect 100-continue": g.expectContinue,
				} {
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						check(t)
					})
				}
			})
		}
	})
}

type goClient struct {
	client      *http.Client
	prefix      string // of its keys
	multiplexes bool   // carries all calls on one connection
	db          *httpDatabase
}

func (g *goClient) key(name string) []byte { return []byte(g.prefix + name) }

// Calls that are given up take no other with them, and leave the connection as it is.
func (g *goClient) cancelCalls(t *testing.T) {
	const workers, calls = 16, 100
	key, value := g.key("cancelled"), bytes.Repeat([]byte("value"), 10_000)
	var connections, cancelled atomic.Int64
	traced := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if !info.Reused {
			connections.Add(1)
		}
	}})
	if _, err := g.db.atomicWrite(traced, protocol.AtomicWrite{Mutations: []protocol.Mutation{set(key, text(string(value)))}}); err != nil {
		t.Fatal(err)
	}
	call := func(ctx context.Context, n int) error {
		if n%2 == 0 {
			_, err := g.db.atomicWrite(ctx, protocol.AtomicWrite{Mutations: []protocol.Mutation{set(key, text(string(value)))}})
			return err
		}
		var output datapath.SnapshotReadOutput
		if err := g.db.call(ctx, "snapshot_read", readOfKey(key), &output); err != nil {
			return err
		}
		if found := output.GetRanges()[0].GetValues(); len(found) != 1 || !bytes.Equal(found[0].GetValue(), value) {
			return fmt.Errorf("the read found %d entries, want one as it was written", len(found))
		}
		return nil
	}
	var wait sync.WaitGroup
	for worker := range workers {
		wait.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(worker)))
			for n := range calls {
				ctx, cancel := context.WithCancel(traced)
				if random.IntN(2) == 0 {
					time.AfterFunc(time.Duration(random.Int64N(int64(5*time.Millisecond))), cancel)
				}
				err := call(ctx, n)
				if ctx.Err() != nil && errors.Is(err, context.Canceled) {
					cancelled.Add(1)
				} else if err != nil {
					t.Errorf("call %d of the worker %d: %v", n, worker, err)
				}
				cancel()
			}
		})
	}
	wait.Wait()
	t.Logf("%d of %d calls were cancelled, on %d connections", cancelled.Load(), workers*calls, connections.Load())
	if cancelled.Load() == 0 || cancelled.Load() == workers*calls {
		t.Error("either all calls were cancelled or none, so nothing is proven")
	}
	if g.multiplexes && connections.Load() != 0 {
		t.Errorf("%d connections were made anew", connections.Load())
	}
}

// Replies of several megabytes arrive whole when many are under way.
func (g *goClient) readMuch(t *testing.T) {
	const entries, valueBytes, readers = 100, 60_000, 4
	for n := range entries {
		value := text(string(bytes.Repeat([]byte{byte(n)}, valueBytes)))
		if _, err := g.db.atomicWrite(t.Context(), protocol.AtomicWrite{Mutations: []protocol.Mutation{set(append(g.key("much"), byte(n)), value)}}); err != nil {
			t.Fatal(err)
		}
	}
	all := protocol.SnapshotRead{Ranges: []protocol.ReadRange{{Start: g.key("much"), End: g.key("muci"), Limit: entries}}}
	var wait sync.WaitGroup
	for range readers {
		wait.Go(func() {
			output, err := g.db.snapshotRead(t.Context(), all)
			if err != nil {
				t.Error(err)
				return
			}
			if len(output.Ranges[0]) != entries {
				t.Errorf("a read found %d entries, want %d", len(output.Ranges[0]), entries)
			}
			for n, entry := range output.Ranges[0] {
				if !bytes.Equal(entry.Value.Data, bytes.Repeat([]byte{byte(n)}, valueBytes)) {
					t.Errorf("the value %d is not what was written", n)
				}
			}
		})
	}
	wait.Wait()
}

// A client that asks before it sends the body is told to go on, or is refused without
// having sent it.
func (g *goClient) expectContinue(t *testing.T) {
	transport, ok := g.client.Transport.(*http.Transport)
	if !ok {
		t.Fatalf("the client has a %T", g.client.Transport)
	}
	asking := transport.Clone()
	asking.ExpectContinueTimeout = processPatience
	client := &http.Client{Transport: asking}
	defer client.CloseIdleConnections()
	body, err := proto.Marshal(atomicWriteMessage(protocol.AtomicWrite{
		Mutations: []protocol.Mutation{set(g.key("expected"), text(string(make([]byte, 60_000))))},
	}))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		token  string
		status int
	}{
		"welcome": {g.db.metadata.Token, http.StatusOK},
		"refused": {"wrong-token", http.StatusUnauthorized},
	} {
		var told atomic.Bool
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got100Continue: func() { told.Store(true) }})
		upload := &countingReader{reader: bytes.NewReader(body)}
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, g.db.url("atomic_write"), upload)
		if err != nil {
			t.Fatal(err)
		}
		request.ContentLength = int64(len(body))
		request.Header = g.db.header()
		request.Header.Set("Authorization", "Bearer "+c.token)
		request.Header.Set("Expect", "100-continue")
		response, err := client.Do(request)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, err = io.Copy(io.Discard, response.Body)
		if err := errors.Join(err, response.Body.Close()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		welcome := c.status == http.StatusOK
		if response.StatusCode != c.status || told.Load() != welcome || (upload.count.Load() > 0) != welcome {
			t.Errorf("%s: status %d, told to go on %v, %d bytes sent", name, response.StatusCode, told.Load(), upload.count.Load())
		}
	}
}

// countingReader counts what is read of a reader.
type countingReader struct {
	reader io.Reader
	count  atomic.Int64
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.reader.Read(p)
	r.count.Add(int64(n))
	return n, err
}
