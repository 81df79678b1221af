package kvconnect_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
	"google.golang.org/protobuf/proto"
)

func marshal(tb testing.TB, message proto.Message) []byte {
	tb.Helper()
	body, err := proto.Marshal(message)
	if err != nil {
		tb.Fatal(err)
	}
	return body
}

// What a client does wrong gets a 4xx whose text says what to do.
func TestWrongRequests(t *testing.T) {
	t.Parallel()
	s := start(t, asIs)
	with := func(name, value string) http.Header {
		header := s.dataPathHeader(t)
		header.Set(name, value)
		return header
	}
	without := func(name string) http.Header {
		header := s.dataPathHeader(t)
		header.Del(name)
		return header
	}
	read := marshal(t, &datapath.SnapshotRead{})
	set := func(change func(*datapath.Mutation)) []byte {
		m := &datapath.Mutation{
			Key: []byte{1}, MutationType: datapath.MutationType_M_SET,
			Value: &datapath.KvValue{Data: []byte{1}, Encoding: datapath.ValueEncoding_VE_BYTES},
		}
		change(m)
		return marshal(t, &datapath.AtomicWrite{Mutations: []*datapath.Mutation{m}})
	}
	for name, c := range map[string]struct {
		method, path string
		header       http.Header
		body         []byte
		status       int
		text         string
	}{
		"metadata without token":     {"POST", "/", http.Header{}, nil, 401, "Authorization: Bearer <token>"},
		"metadata, scheme only":      {"POST", "/", http.Header{"Authorization": {"Bearer"}}, nil, 401, "Authorization: Bearer <token>"},
		"metadata, other scheme":     {"POST", "/", http.Header{"Authorization": {"Basic " + accessToken}}, nil, 401, "Authorization: Bearer <token>"},
		"metadata with wrong token":  {"POST", "/", bearer("wrong-access-token"), nil, 401, "set DENO_KV_ACCESS_TOKEN"},
		"metadata, not JSON":         {"POST", "/", bearer(accessToken), []byte("x"), 400, `{"supportedVersions":[1,2,3]}`},
		"metadata, no versions":      {"POST", "/", bearer(accessToken), []byte("{}"), 400, `{"supportedVersions":[1,2,3]}`},
		"metadata, versions a text":  {"POST", "/", bearer(accessToken), []byte(`{"supportedVersions":"3"}`), 400, `{"supportedVersions":[1,2,3]}`},
		"metadata, empty versions":   {"POST", "/", bearer(accessToken), []byte(`{"supportedVersions":[]}`), 400, "speaks versions 1, 2 and 3"},
		"metadata, version to come":  {"POST", "/", bearer(accessToken), []byte(`{"supportedVersions":[4]}`), 400, "speaks versions 1, 2 and 3, the client [4]"},
		"metadata too large":         {"POST", "/", bearer(accessToken), bytes.Repeat([]byte(" "), 16<<10+1), 413, "at most 16384 bytes"},
		"metadata of an unknown one": {"POST", "/databases/" + uuid.NewString() + "/connect", bearer(accessToken), nil, 404, "no such database"},
		"unknown one without token":  {"POST", "/databases/" + uuid.NewString() + "/connect", http.Header{}, nil, 401, "Authorization: Bearer <token>"},
		"GET of the root":            {"GET", "/", http.Header{}, nil, 405, "await Deno.openKv(\"" + s.url + "\")"},
		"GET of a call":              {"GET", "/v2/snapshot_read", http.Header{}, nil, 405, "use POST"},
		"POST of a health check":     {"POST", "/healthz", http.Header{}, nil, 405, "use GET"},
		"unknown path":               {"POST", "/v2", http.Header{}, nil, 404, "no such path"},
		"unknown call":               {"POST", "/v2/other", s.dataPathHeader(t), nil, 404, "no such path"},
		"no token":                   {"POST", "/v2/snapshot_read", without("Authorization"), read, 401, "Authorization: Bearer <token>"},
		"the access token":           {"POST", "/v2/snapshot_read", with("Authorization", "Bearer "+accessToken), read, 401, "open the database again"},
		"no version":                 {"POST", "/v2/snapshot_read", without("X-Denokv-Version"), read, 400, "in x-denokv-version"},
		"unknown version":            {"POST", "/v2/snapshot_read", with("X-Denokv-Version", "4"), read, 400, `not "4"`},
		"version that is no number":  {"POST", "/v2/snapshot_read", with("X-Denokv-Version", "x"), read, 400, "speaks versions 1, 2 and 3"},
		"no database id":             {"POST", "/v2/snapshot_read", without("X-Denokv-Database-Id"), read, 400, "x-denokv-database-id"},
		"malformed database id":      {"POST", "/v2/snapshot_read", with("X-Denokv-Database-Id", "x"), read, 400, "x-denokv-database-id"},
		"unknown database id":        {"POST", "/v2/snapshot_read", with("X-Denokv-Database-Id", uuid.NewString()), read, 404, "no such database"},
		"undecodable read":           {"POST", "/v2/snapshot_read", s.dataPathHeader(t), []byte("garbage"), 400, "com.deno.kv.datapath.SnapshotRead"},
		"undecodable write":          {"POST", "/v2/atomic_write", s.dataPathHeader(t), []byte("garbage"), 400, "com.deno.kv.datapath.AtomicWrite"},
		"undecodable watch":          {"POST", "/v2/watch", s.dataPathHeader(t), []byte("garbage"), 400, "com.deno.kv.datapath.Watch"},
		"over a limit": {
			"POST", "/v2/snapshot_read", s.dataPathHeader(t),
			marshal(t, &datapath.SnapshotRead{Ranges: []*datapath.ReadRange{{Limit: 1001}}}), 400, "1001, at most 1000",
		},
		"read too large":   {"POST", "/v2/snapshot_read", s.dataPathHeader(t), make([]byte, 64<<10+1), 413, "at most 65536 bytes"},
		"write too large":  {"POST", "/v2/atomic_write", s.dataPathHeader(t), make([]byte, 1<<20+1), 413, "at most 1048576 bytes"},
		"watch too large":  {"POST", "/v2/watch", s.dataPathHeader(t), make([]byte, 32<<10+1), 413, "at most 32768 bytes"},
		"unknown mutation": {"POST", "/v2/atomic_write", s.dataPathHeader(t), set(func(m *datapath.Mutation) { m.MutationType = 8 }), 400, "mutation 0: unknown mutation type"},
		"unknown encoding": {"POST", "/v2/atomic_write", s.dataPathHeader(t), set(func(m *datapath.Mutation) { m.Value.Encoding = 9 }), 400, "mutation 0: unknown value encoding"},
		"sum over what is no V8 value": {"POST", "/v2/atomic_write", s.dataPathHeader(t), set(func(m *datapath.Mutation) {
			m.MutationType, m.Value.Encoding = datapath.MutationType_M_SUM, datapath.ValueEncoding_VE_V8
		}), 400, "Some of the parameters are not valid V8 values"},
		"enqueue": {
			"POST", "/v2/atomic_write", s.dataPathHeader(t),
			marshal(t, &datapath.AtomicWrite{Enqueues: []*datapath.Enqueue{{Payload: []byte{1}}}}), 400, "queues are not served here",
		},
		"versionstamp of 9 bytes": {
			"POST", "/v2/atomic_write", s.dataPathHeader(t),
			marshal(t, &datapath.AtomicWrite{Checks: []*datapath.Check{{Key: []byte{1}, Versionstamp: make([]byte, 9)}}}), 400, "check 0: a versionstamp has exactly 10 bytes",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := s.do(t, c.method, c.path, c.header, bytes.NewReader(c.body))
			if got.status != c.status || !strings.Contains(got.body, c.text) {
				t.Errorf("status %d: %s\nwant %d and a text that says %q", got.status, got.body, c.status, c.text)
			}
			if contentType := got.header.Get("Content-Type"); contentType != "text/plain; charset=utf-8" {
				t.Errorf("content type %q", contentType)
			}
		})
	}
}

func TestTypeMismatchHasTheWordsOfTheReference(t *testing.T) {
	t.Parallel()
	s := start(t, asIs)
	key := []byte{1}
	reply := s.call(t, "atomic_write", marshal(t, &datapath.AtomicWrite{Mutations: []*datapath.Mutation{
		{Key: key, MutationType: datapath.MutationType_M_SET, Value: &datapath.KvValue{Encoding: datapath.ValueEncoding_VE_BYTES}},
		{Key: key, MutationType: datapath.MutationType_M_SUM, Value: &datapath.KvValue{Data: make([]byte, 8), Encoding: datapath.ValueEncoding_VE_LE64}},
	}}))
	want := "Failed to perform 'sum' mutation on a non-U64 value in the database"
	if reply.status != http.StatusBadRequest || reply.body != want {
		t.Errorf("status %d: %s\nwant 400: %s", reply.status, reply.body, want)
	}
}

// A body that says it is too large is refused before any of it arrives.
func TestOversizedBodyIsNotRead(t *testing.T) {
	t.Parallel()
	s := start(t, asIs)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	header := s.dataPathHeader(t)
	_, err = fmt.Fprintf(conn, "POST /v2/atomic_write HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nX-Denokv-Version: 3\r\nX-Denokv-Database-Id: %s\r\nContent-Length: 1099511627776\r\n\r\n",
		header.Get("Authorization"), header.Get("X-Denokv-Database-Id"))
	if err != nil {
		t.Fatal(err)
	}
	reply, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := reply.Body.Close(); err != nil || reply.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d, %v; want 413", reply.StatusCode, err)
	}
}

// Nobody holds a connection by sending nothing, with a token or without one.
func TestBodyThatDoesNotArrive(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) { o.BodyTimeout = 50 * time.Millisecond })
	for name, c := range map[string]struct {
		token  string
		status int
	}{
		"with a token":    {accessToken, http.StatusRequestTimeout},
		"without a token": {"wrong-access-token", http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if _, err := fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 100\r\n\r\n", c.token); err != nil {
				t.Fatal(err)
			}
			reader := bufio.NewReader(conn)
			reply, err := http.ReadResponse(reader, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := reply.Body.Close(); err != nil || reply.StatusCode != c.status {
				t.Errorf("status %d, %v; want %d", reply.StatusCode, err, c.status)
			}
			if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, reader); err != nil {
				t.Errorf("the connection is still open: %v", err)
			}
		})
	}
}

// Replies come whole, with their length: see need 8 of the clients.
func TestRepliesHaveTheirLength(t *testing.T) {
	t.Parallel()
	s := start(t, asIs)
	large := &datapath.Mutation{
		Key: []byte{1}, MutationType: datapath.MutationType_M_SET,
		Value: &datapath.KvValue{Data: make([]byte, protocol.MaxValueBytes), Encoding: datapath.ValueEncoding_VE_BYTES},
	}
	for _, c := range []struct {
		method  string
		message proto.Message
	}{
		{"atomic_write", &datapath.AtomicWrite{Mutations: []*datapath.Mutation{large}}},
		{"snapshot_read", &datapath.SnapshotRead{Ranges: []*datapath.ReadRange{{End: []byte{0xff}, Limit: 1}}}},
		{"snapshot_read", &datapath.SnapshotRead{Ranges: []*datapath.ReadRange{{Limit: 0}}}},
	} {
		reply := s.call(t, c.method, marshal(t, c.message))
		if got := reply.header.Get("Content-Length"); got != strconv.Itoa(len(reply.body)) || reply.body == "" {
			t.Errorf("%s: Content-Length %q for %d bytes", c.method, got, len(reply.body))
		}
	}
}

func TestOversizedBodyWithoutLength(t *testing.T) {
	t.Parallel()
	s := start(t, asIs)
	endless := io.MultiReader(bytes.NewReader(make([]byte, 2<<20)), bytes.NewReader(make([]byte, 2<<20)))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v2/atomic_write", endless)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = s.dataPathHeader(t)
	reply, err := s.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if err := reply.Body.Close(); err != nil || reply.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d, %v; want 413", reply.StatusCode, err)
	}
}

func TestClientsOfVersion1(t *testing.T) {
	t.Parallel()
	s := start(t, asIs)
	header := bearer(s.metadata(t, "/", http.Header{}).Token)
	header.Set("X-Transaction-Domain-Id", strings.ToUpper(s.options.databaseID.String()))
	reply := s.do(t, http.MethodPost, "/v2/snapshot_read", header, bytes.NewReader(nil))
	if reply.status != http.StatusOK {
		t.Errorf("status %d: %s", reply.status, reply.body)
	}
}

// failingBackend fails every call in the same way.
type failingBackend struct {
	kvconnect.Backend
	err error
}

func (b failingBackend) SnapshotRead(context.Context, protocol.SnapshotRead) (protocol.SnapshotReadOutput, error) {
	return protocol.SnapshotReadOutput{}, b.err
}

func (b failingBackend) AtomicWrite(context.Context, protocol.AtomicWrite) (protocol.AtomicWriteOutput, error) {
	return protocol.AtomicWriteOutput{}, b.err
}

func (b failingBackend) Watch(protocol.Watch, func()) (protocol.Watcher, error) { return nil, b.err }

// Faults of the server are told to its log and, without details, to the client.
func TestFaultsOfTheServer(t *testing.T) {
	t.Parallel()
	secret := errors.New("disk of the secret host is broken")
	for name, c := range map[string]struct {
		err    error
		status int
		text   string
	}{
		"temporary": {fmt.Errorf("read: %w (%w)", protocol.ErrUnavailable, secret), 503, "try again"},
		"unknown":   {secret, 500, "the log of the server tells more"},
		"damaged":   {fmt.Errorf("read: %w (%w)", protocol.ErrDamaged, secret), 422, "restore it from a backup"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &safeBuffer{}
			s := start(t, func(o *setup) {
				o.backend = failingBackend{o.backend, c.err}
				o.Logger = slog.New(slog.NewTextHandler(log, nil))
			})
			for _, method := range []string{"snapshot_read", "atomic_write", "watch"} {
				reply := s.call(t, method, nil)
				if reply.status != c.status || !strings.Contains(reply.body, c.text) || strings.Contains(reply.body, "secret") {
					t.Errorf("%s: status %d: %s", method, reply.status, reply.body)
				}
			}
			if ready := s.do(t, http.MethodGet, "/readyz", nil, nil); ready.status != http.StatusServiceUnavailable {
				t.Errorf("/readyz: status %d: %s", ready.status, ready.body)
			}
			if got := strings.Count(log.String(), "secret host"); got != 4 {
				t.Errorf("the log tells of %d faults, want 4:\n%s", got, log)
			}
		})
	}
}

// waitingBackend waits for the end of the request.
type waitingBackend struct{ kvconnect.Backend }

func (waitingBackend) AtomicWrite(ctx context.Context, _ protocol.AtomicWrite) (protocol.AtomicWriteOutput, error) {
	<-ctx.Done()
	return protocol.AtomicWriteOutput{}, ctx.Err()
}

// A client that closes its side of the connection gives the request up, but may
// still read. It must not take an empty reply for a success.
func TestRequestThatIsGivenUpIsNoSuccess(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) { o.backend = waitingBackend{o.backend} })
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	header := s.dataPathHeader(t)
	header.Set("Content-Length", "0")
	var request bytes.Buffer
	request.WriteString("POST /v2/atomic_write HTTP/1.1\r\nHost: x\r\n")
	if err := header.Write(&request); err != nil {
		t.Fatal(err)
	}
	request.WriteString("\r\n")
	if _, err := conn.Write(request.Bytes()); err != nil {
		t.Fatal(err)
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		t.Fatal("no TCP connection")
	}
	if err := tcp.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	reply, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return // no reply at all is fine too
	}
	if err := reply.Body.Close(); err != nil || reply.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status %d, %v; want 503", reply.StatusCode, err)
	}
}

func TestReadOnlyDatabase(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) { o.backend = disabledBackend{o.backend} })
	reply := s.call(t, "atomic_write", nil)
	var output datapath.AtomicWriteOutput
	if err := proto.Unmarshal([]byte(reply.body), &output); err != nil {
		t.Fatal(err)
	}
	if reply.status != http.StatusOK || output.GetStatus() != datapath.AtomicWriteStatus_AW_WRITE_DISABLED {
		t.Errorf("status %d, %v; want 200, AW_WRITE_DISABLED", reply.status, output.GetStatus())
	}
}

type disabledBackend struct{ kvconnect.Backend }

func (disabledBackend) AtomicWrite(context.Context, protocol.AtomicWrite) (protocol.AtomicWriteOutput, error) {
	return protocol.AtomicWriteOutput{Status: protocol.AtomicWriteDisabled}, nil
}
