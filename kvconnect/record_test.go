package kvconnect_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/transport"
)

// countingObserver keeps what it is told. It is safe for concurrent use.
type countingObserver struct {
	mu        sync.Mutex
	begun     map[kvconnect.Method]int // guarded by mu, and so are all below
	ended     []kvconnect.Request
	watches   int
	delivered []time.Duration
	frames    int // bytes
}

func newCountingObserver() *countingObserver {
	return &countingObserver{begun: make(map[kvconnect.Method]int)}
}

func (o *countingObserver) RequestBegun(method kvconnect.Method) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.begun[method]++
}

func (o *countingObserver) RequestEnded(request kvconnect.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = append(o.ended, request)
	if request.Served {
		o.begun[request.Method]--
	}
}

func (o *countingObserver) WatchOpened(uuid.UUID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.watches++
}

func (o *countingObserver) WatchClosed(uuid.UUID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.watches--
}

func (o *countingObserver) WatchDelivered(_ uuid.UUID, frameBytes int, latency time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.delivered = append(o.delivered, latency)
	o.frames += frameBytes
}

// last gives the request that ended last.
func (o *countingObserver) last() kvconnect.Request {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.ended) == 0 {
		return kvconnect.Request{}
	}
	return o.ended[len(o.ended)-1]
}

func (o *countingObserver) inFlight() (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, begun := range o.begun {
		n += begun
	}
	return n
}

// textLogger writes all that is logged as text, without the time.
func textLogger(log *safeBuffer) *slog.Logger {
	return slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: withoutTime}))
}

func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// Each request is told of once, whatever becomes of it.
func TestObserver(t *testing.T) {
	t.Parallel()
	for name, way := range ways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			observer := newCountingObserver()
			s := way.start(t, func(o *setup) { o.Observer = observer })
			ours := s.metadata(t, "/", http.Header{}).Token
			id := s.options.databaseID
			ignore := cmpopts.IgnoreFields(kvconnect.Request{}, "Took", "BytesOut")
			for name, c := range map[string]struct {
				path   string
				header http.Header
				body   string
				want   kvconnect.Request
			}{
				"metadata": {"/", bearer(accessToken), `{"supportedVersions":[3]}`, kvconnect.Request{
					Method: kvconnect.MethodMetadata, DatabaseID: id, Status: http.StatusOK, Served: true, BytesIn: 25,
				}},
				"metadata of another": {"/databases/nothing/connect", bearer(accessToken), "", kvconnect.Request{
					Method: kvconnect.MethodMetadata, Status: http.StatusNotFound, Reason: "unknown_database",
				}},
				"bad token": {"/", bearer("nonsense-nonsense"), "", kvconnect.Request{
					Method: kvconnect.MethodMetadata, Status: http.StatusUnauthorized, Reason: "invalid_access_token",
				}},
				"no path": {"/nothing", nil, "", kvconnect.Request{
					Method: kvconnect.MethodOther, Status: http.StatusNotFound, Reason: "not_found",
				}},
				"read": {"/v2/snapshot_read", callHeader(ours, id), "", kvconnect.Request{
					Method: kvconnect.MethodSnapshotRead, DatabaseID: id, Status: http.StatusOK, Served: true,
				}},
				"write": {"/v2/atomic_write", callHeader(ours, id), "", kvconnect.Request{
					Method: kvconnect.MethodAtomicWrite, DatabaseID: id, Status: http.StatusOK, Served: true,
					AtomicWrite: protocol.AtomicWriteCommitted,
				}},
				"malformed write": {"/v2/atomic_write", callHeader(ours, id), "\xff", kvconnect.Request{
					Method: kvconnect.MethodAtomicWrite, DatabaseID: id, Status: http.StatusBadRequest, Reason: "malformed_request", Served: true,
					BytesIn: 1,
				}},
				"refused watch": {"/v2/watch", bearer("nonsense"), "", kvconnect.Request{
					Method: kvconnect.MethodWatch, Status: http.StatusUnauthorized, Reason: "invalid_data_path_token",
				}},
			} {
				reply := s.do(t, http.MethodPost, c.path, c.header, strings.NewReader(c.body))
				got := observer.last()
				if diff := cmp.Diff(c.want, got, ignore); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
				if got.Served != (got.Took > 0) {
					t.Errorf("%s: took %v", name, got.Took)
				}
				if got.BytesOut != len(reply.body) {
					t.Errorf("%s: %d bytes out of %d", name, got.BytesOut, len(reply.body))
				}
			}
			if n := observer.inFlight(); n != 0 {
				t.Errorf("%d in flight", n)
			}
			// Probes are no requests.
			before := len(observer.ended)
			s.do(t, http.MethodGet, "/readyz", nil, nil)
			if after := len(observer.ended); after != before {
				t.Errorf("%d requests, then %d", before, after)
			}
		})
	}
}

// A request whose body does not arrive is not served.
func TestObserverOfRefusedBody(t *testing.T) {
	t.Parallel()
	observer := newCountingObserver()
	server, _ := memoryServer(func(o *setup) { o.Observer = observer })
	reply := admit(t, server, "watch").Refuse(transport.ErrBodyTooLarge)
	want := kvconnect.Request{
		Method: kvconnect.MethodWatch, DatabaseID: memoryDatabaseID, Status: http.StatusRequestEntityTooLarge, Reason: "body_too_large",
		BytesOut: len(reply.Body),
	}
	if diff := cmp.Diff(want, observer.last()); diff != "" || observer.inFlight() != 0 {
		t.Errorf("%d in flight (-want +got):\n%s", observer.inFlight(), diff)
	}
}

func TestObserverOfWatches(t *testing.T) {
	t.Parallel()
	observer := newCountingObserver()
	server, backend := memoryServer(func(o *setup) { o.Observer = observer })
	backend.become(nil, &protocol.Entry{Key: []byte{1}, Versionstamp: protocol.VersionstampOf(1)})
	call := admit(t, server, "watch")
	call.Receive(nil)
	waker := &countingWaker{}
	reply := call.Serve(t.Context(), waker)
	if got := observer.last(); got.Method != kvconnect.MethodWatch || got.BytesOut != len(reply.Body) || observer.watches != 1 {
		t.Errorf("%+v, %d watches", got, observer.watches)
	}
	// What changes nothing is no delivery.
	backend.become(nil, &protocol.Entry{Key: []byte{1}, Versionstamp: protocol.VersionstampOf(1)})
	if frame, err := reply.Feed.Next(t.Context()); len(frame) != 0 || err != nil {
		t.Errorf("frame %x, %v", frame, err)
	}
	backend.become(nil, &protocol.Entry{Key: []byte{1}, Versionstamp: protocol.VersionstampOf(2)})
	frame, err := reply.Feed.Next(t.Context())
	if err != nil || observer.frames != len(frame) || len(observer.delivered) != 1 || observer.delivered[0] <= 0 {
		t.Errorf("frame of %d bytes, %v; told of %d bytes after %v", len(frame), err, observer.frames, observer.delivered)
	}
	reply.Feed.Close()
	if observer.watches != 0 {
		t.Errorf("%d watches", observer.watches)
	}
	backend.become(protocol.ErrDamaged)
	refused := admit(t, server, "watch")
	refused.Receive(nil)
	refused.Serve(t.Context(), waker)
	if got := observer.last(); got.Reason != "damaged" || observer.watches != 0 {
		t.Errorf("%+v, %d watches", got, observer.watches)
	}
}

// There is a line for each request at the level debug, and one at warn for a slow one.
func TestRequestLog(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		level slog.Level
		slow  time.Duration
		want  string // the level; "" for no line
	}{
		"debug":          {slog.LevelDebug, 0, "DEBUG request"},
		"debug, slow":    {slog.LevelDebug, time.Nanosecond, "WARN slow request"},
		"debug, fast":    {slog.LevelDebug, time.Hour, "DEBUG request"},
		"info, not slow": {slog.LevelInfo, time.Hour, ""},
		"info, slow":     {slog.LevelInfo, time.Nanosecond, "WARN slow request"},
		"info":           {slog.LevelInfo, 0, ""},
	} {
		var log bytes.Buffer
		server, _ := memoryServer(func(o *setup) {
			o.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: c.level}))
			o.SlowRequest = c.slow
		})
		call, _ := server.Admit(transport.Request{
			Method: http.MethodPost, Path: "/v2/snapshot_read",
			Header: memoryHeader("X-Request-Id", "ours"), RemoteAddr: "192.0.2.1:4321",
		})
		call.Receive(nil)
		call.Serve(t.Context(), nil)
		if c.want == "" {
			if log.Len() > 0 {
				t.Errorf("%s: %s", name, log.String())
			}
			continue
		}
		var line struct {
			Level      string   `json:"level"`
			Msg        string   `json:"msg"`
			RequestID  string   `json:"request_id"`
			Method     string   `json:"method"`
			Status     int      `json:"status"`
			TookMs     *float64 `json:"took_ms"`
			RemoteAddr string   `json:"remote_addr"`
			DatabaseID string   `json:"database_id"`
			TokenID    string   `json:"token_id"`
		}
		if err := json.Unmarshal(log.Bytes(), &line); err != nil {
			t.Fatalf("%s: %v in %s", name, err, log.String())
		}
		got := []string{line.Level + " " + line.Msg, line.RequestID, line.Method, line.RemoteAddr, line.DatabaseID, line.TokenID}
		want := []string{c.want, "ours", "snapshot_read", "192.0.2.1:4321", memoryDatabaseID.String(), "t_test"}
		if !slices.Equal(got, want) || line.Status != http.StatusOK || line.TookMs == nil {
			t.Errorf("%s: %s", name, log.String())
		}
	}
}
