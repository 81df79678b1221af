package kvconnect_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/transport"
)

// stuckBackend lets no write end before it is released.
type stuckBackend struct {
	memoryBackend
	begun    chan struct{}
	released chan struct{}
}

func (b *stuckBackend) AtomicWrite(context.Context, protocol.AtomicWrite) (protocol.AtomicWriteOutput, error) {
	b.begun <- struct{}{}
	<-b.released
	return protocol.AtomicWriteOutput{Status: protocol.AtomicWriteCommitted}, nil
}

// When as many writes wait as may, further ones are refused at once, and reads go on.
func TestMaxRequests(t *testing.T) {
	t.Parallel()
	const maxRequests, refused = 3, 5
	log := &safeBuffer{}
	clock := newTestClock()
	backend := &stuckBackend{begun: make(chan struct{}, maxRequests+1), released: make(chan struct{})}
	server := newSetup(memoryDatabaseID, backend).newServer(func(o *setup) {
		o.MaxRequests, o.Logger, o.Now = maxRequests, textLogger(log), clock.now
	})
	serve := func(method string) transport.Reply {
		call := admit(t, server, method)
		call.Receive(nil)
		return call.Serve(t.Context(), &countingWaker{})
	}
	var waiting sync.WaitGroup
	for range maxRequests {
		waiting.Go(func() {
			if reply := serve("atomic_write"); reply.Head.Status != http.StatusOK {
				t.Errorf("status %d: %s", reply.Head.Status, reply.Body)
			}
		})
	}
	for range maxRequests {
		<-backend.begun
	}
	for i := range refused {
		reply := serve("atomic_write")
		if reply.Head.Status != http.StatusServiceUnavailable || headerOf(reply).Get("Retry-After") != "1" {
			t.Errorf("write %d: status %d, header %v", i, reply.Head.Status, reply.Head.Fields)
		}
	}
	for range 2 * maxRequests { // they leave their places
		if reply := serve("snapshot_read"); reply.Head.Status != http.StatusOK {
			t.Errorf("read: status %d: %s", reply.Head.Status, reply.Body)
		}
	}
	const line = "requests are refused, too many are being served"
	if got := strings.Count(log.String(), line); got != 1 {
		t.Errorf("%d lines in %s", got, log.String())
	}
	clock.advance(time.Minute)
	serve("atomic_write")
	if want := "count=5 max_concurrent_requests=3"; !strings.Contains(log.String(), want) {
		t.Errorf("no %s in %s", want, log.String())
	}
	close(backend.released)
	waiting.Wait()
	if reply := serve("atomic_write"); reply.Head.Status != http.StatusOK {
		t.Errorf("status %d: %s", reply.Head.Status, reply.Body)
	}
}

// A request whose handler panics leaves its place too.
func TestPanicLeavesItsPlace(t *testing.T) {
	t.Parallel()
	observer := newCountingObserver()
	backend := &panickingBackend{}
	server := newSetup(memoryDatabaseID, backend).newServer(func(o *setup) { o.MaxRequests, o.Observer = 1, observer })
	for range 3 {
		call := admit(t, server, "atomic_write")
		call.Receive(nil)
		func() {
			defer func() {
				if value := recover(); value != "amid a write" {
					t.Errorf("%v", value)
				}
			}()
			call.Serve(t.Context(), nil)
		}()
	}
	if got := observer.last(); got.Status != http.StatusInternalServerError || got.Reason != "panic" || observer.inFlight() != 0 {
		t.Errorf("%+v, %d in flight", got, observer.inFlight())
	}
}

type panickingBackend struct{ memoryBackend }

func (*panickingBackend) AtomicWrite(context.Context, protocol.AtomicWrite) (protocol.AtomicWriteOutput, error) {
	panic("amid a write")
}

// Who guesses tokens is made to wait, and who sends a body slowly takes his time: neither takes
// a place of those that are served.
func TestMetadataTakesNoPlaceEarly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, _ := memoryServer(func(o *setup) { o.MaxRequests = 1 })
		ctx, cancel := context.WithCancel(t.Context())
		var waiting sync.WaitGroup
		exchange := func(token string, body io.Reader) {
			waiting.Go(func() {
				r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", body)
				r.Header = bearer(token)
				server.ServeHTTP(httptest.NewRecorder(), r)
			})
		}
		for range 20 { // more than are answered at once
			exchange("nonsense-nonsense", http.NoBody)
		}
		body, sender := io.Pipe()
		exchange(accessToken, body)
		synctest.Wait()
		call := admit(t, server, "snapshot_read")
		call.Receive(nil)
		if reply := call.Serve(t.Context(), nil); reply.Head.Status != http.StatusOK {
			t.Errorf("status %d: %s", reply.Head.Status, reply.Body)
		}
		cancel()
		_ = sender.Close() // it cannot fail
		waiting.Wait()
	})
}
