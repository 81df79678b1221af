package kvconnect_test

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/transport"
)

// memoryBackend gives every call the answer that a test sets. It is safe for concurrent
// use.
type memoryBackend struct {
	mu       sync.Mutex
	read     protocol.SnapshotReadOutput // guarded by mu, and so are all below
	state    protocol.WatchOutput        // of all watches
	err      error                       // of all calls
	watchers map[*memoryWatcher]struct{}
}

func (b *memoryBackend) SnapshotRead(context.Context, protocol.SnapshotRead) (protocol.SnapshotReadOutput, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.read, b.err
}

func (b *memoryBackend) AtomicWrite(context.Context, protocol.AtomicWrite) (protocol.AtomicWriteOutput, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return protocol.AtomicWriteOutput{Status: protocol.AtomicWriteCommitted}, b.err
}

func (b *memoryBackend) Watch(_ protocol.Watch, changed func()) (protocol.Watcher, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return nil, b.err
	}
	w := &memoryWatcher{backend: b, changed: changed}
	if b.watchers == nil {
		b.watchers = make(map[*memoryWatcher]struct{})
	}
	b.watchers[w] = struct{}{}
	return w, nil
}

func (*memoryBackend) Close() error { return nil }

// become changes what there is, and tells the watches.
func (b *memoryBackend) become(err error, entries ...*protocol.Entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err, b.state.Entries = err, entries
	for w := range b.watchers {
		w.changed()
	}
}

func (b *memoryBackend) openWatchers() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.watchers)
}

type memoryWatcher struct {
	backend *memoryBackend
	changed func()
}

func (w *memoryWatcher) State(context.Context) (protocol.WatchOutput, error) {
	w.backend.mu.Lock()
	defer w.backend.mu.Unlock()
	return w.backend.state, w.backend.err
}

func (w *memoryWatcher) Close() {
	w.backend.mu.Lock()
	defer w.backend.mu.Unlock()
	delete(w.backend.watchers, w)
}

// dataPathToken opens the data path of a memoryServer.
const dataPathToken = "test-data-path-token"

var memoryDatabaseID = uuid.MustParse("6ba7b810-9dad-11d1-80b4-00c04fd430c8")

// memoryServer gives a server without a disk and without a port.
func memoryServer(change func(*setup)) (*kvconnect.Server, *memoryBackend) {
	backend := &memoryBackend{}
	return newSetup(memoryDatabaseID, backend).newServer(change), backend
}

// memoryHeader gives headers with which a call of a memoryServer is in order, but for the
// names, which have other values or, if those are empty, none.
func memoryHeader(others ...string) http.Header {
	header := callHeader(dataPathToken, memoryDatabaseID)
	for i := 0; i < len(others); i += 2 {
		header.Set(others[i], others[i+1])
		if others[i+1] == "" {
			header.Del(others[i])
		}
	}
	return header
}

// admit gives a call that is in order.
func admit(tb testing.TB, server *kvconnect.Server, method string) transport.Call {
	tb.Helper()
	call, refusal := server.Admit(transport.Request{Method: http.MethodPost, Path: "/v2/" + method, Header: memoryHeader()})
	if refusal != nil || call == nil {
		tb.Fatalf("the call was not admitted: %+v", refusal)
	}
	return call
}
