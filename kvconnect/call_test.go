package kvconnect_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
	"github.com/kvconnect/kvconnect/transport"
	"google.golang.org/protobuf/proto"
)

var _ transport.Handler = (*kvconnect.Server)(nil)

// callCase is a call of the data path and what is wrong with it.
type callCase struct {
	method     string
	header     http.Header // as it should be if nil
	body       []byte
	bodyErr    error // of the transport: there is no body
	backendErr error
	lendErr    error
	change     func(*access.Grant)
	givenUp    bool
	draining   bool

	databases *lendingDatabases // of the last server
}

// callCases holds every kind of error.
func callCases(t *testing.T) map[string]*callCase {
	t.Helper()
	cases := map[string]*callCase{
		"read":                    {method: "snapshot_read"},
		"write":                   {method: "atomic_write"},
		"watch":                   {method: "watch", givenUp: true}, // or it would not end
		"draining":                {method: "snapshot_read", draining: true},
		"draining, no token":      {method: "watch", draining: true, header: http.Header{}},
		"no token, unknown one":   {method: "atomic_write", header: memoryHeader("Authorization", "", "X-Denokv-Database-Id", uuid.NewString())},
		"wrong token, no version": {method: "watch", header: memoryHeader("Authorization", "Bearer x", "X-Denokv-Version", "")},
		"no version":              {method: "snapshot_read", header: memoryHeader("X-Denokv-Version", "")},
		"unknown version":         {method: "snapshot_read", header: memoryHeader("X-Denokv-Version", "4")},
		"version 1":               {method: "snapshot_read", header: memoryHeader("X-Denokv-Version", "", "X-Transaction-Domain-Id", memoryDatabaseID.String())},
		"no database":             {method: "atomic_write", header: memoryHeader("X-Denokv-Database-Id", "")},
		"unknown database":        {method: "watch", header: memoryHeader("X-Denokv-Database-Id", uuid.NewString())},
		"read-only, read":         {method: "snapshot_read", change: readOnly},
		"read-only, write":        {method: "atomic_write", change: readOnly},
		"read-only, unknown one":  {method: "atomic_write", change: readOnly, header: memoryHeader("X-Denokv-Database-Id", uuid.NewString())},
		"expired":                 {method: "watch", change: func(g *access.Grant) { g.ExpiresAt = time.Unix(1, 0) }},
		"revoked":                 {method: "watch", change: (*access.Grant).Revoke},
		"no request left":         {method: "snapshot_read", change: func(g *access.Grant) { g.Token = noRequestLeft() }},
		"no request left, of all": {method: "atomic_write", change: func(g *access.Grant) { g.Database = noRequestLeft() }},
		"no watch left":           {method: "watch", change: func(g *access.Grant) { g.Token = noWatchLeft() }},
		"no watch left, of all":   {method: "watch", change: func(g *access.Grant) { g.Database = noWatchLeft() }},
		"read over a limit":       {method: "snapshot_read", body: marshal(t, &datapath.SnapshotRead{Ranges: []*datapath.ReadRange{{Limit: 1001}}})},
	}
	for _, method := range []string{"snapshot_read", "atomic_write", "watch"} {
		cases[method+", undecodable"] = &callCase{method: method, body: []byte("garbage")}
		cases[method+", given up"] = &callCase{method: method, givenUp: true, backendErr: context.Canceled}
		for _, err := range []error{transport.ErrBodyTooLarge, transport.ErrBodyTimeout, transport.ErrBodyIncomplete, kvconnect.ErrBodyTooShort} {
			cases[fmt.Sprintf("%s, %v", method, err)] = &callCase{method: method, bodyErr: err}
		}
		for _, err := range []error{protocol.ErrUnknownDatabase, protocol.ErrUnavailable, protocol.ErrClosed, errors.New("unknown")} {
			cases[fmt.Sprintf("%s, lend: %v", method, err)] = &callCase{method: method, lendErr: fmt.Errorf("at the disk: %w", err)}
		}
		kinds := append(kvconnect.ErrorKinds(), protocol.ErrClosed, &protocol.MutationTypeError{Text: "mismatch"}, errors.New("unknown"))
		for _, err := range kinds {
			cases[fmt.Sprintf("%s, backend: %v", method, err)] = &callCase{method: method, backendErr: fmt.Errorf("at the disk: %w", err)}
		}
	}
	return cases
}

func readOnly(g *access.Grant) { g.Scope = access.ScopeRead }

func noRequestLeft() *access.Meter {
	m := access.NewMeter(access.Limits{RequestsPerSecond: 1.0 / 3600})
	m.Request(time.Now())
	return m
}

func noWatchLeft() *access.Meter {
	m := access.NewMeter(access.Limits{Watches: 1})
	m.OpenWatch()
	return m
}

// serve prepares a server for the case.
func (c *callCase) serve(t *testing.T, log io.Writer) (server *kvconnect.Server, ctx context.Context, header http.Header) {
	t.Helper()
	server, backend := memoryServer(func(o *setup) {
		c.databases = newLendingDatabases(t, o.databaseID, o.backend)
		c.databases.fail(c.lendErr)
		o.Databases = c.databases
		if c.change != nil {
			c.change(o.grant)
		}
		o.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
	})
	backend.become(c.backendErr)
	if c.draining {
		server.Drain()
	}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	if c.givenUp {
		cancel()
	}
	header = memoryHeader()
	if c.header != nil {
		header = c.header.Clone()
	}
	header.Set("X-Request-Id", "the-request") // or no two replies are alike
	return server, ctx, header
}

// observed is what a client gets and the operator reads.
type observed struct {
	Status int
	Header http.Header
	Body   string
	Log    string
}

// direct is the call as a transport makes it.
func (c *callCase) direct(t *testing.T) observed {
	t.Helper()
	log := &safeBuffer{}
	server, ctx, header := c.serve(t, log)
	call, refusal := server.Admit(transport.Request{Method: http.MethodPost, Path: "/v2/" + c.method, Header: header})
	var reply transport.Reply
	switch {
	case refusal != nil:
		reply = *refusal
	case c.bodyErr != nil:
		reply = call.Refuse(c.bodyErr)
	default:
		call.Receive(c.body)
		reply = call.Serve(ctx, &countingWaker{})
	}
	got := observed{Status: reply.Head.Status, Header: http.Header{}, Body: string(reply.Body), Log: log.String()}
	for _, field := range reply.Head.Fields {
		got.Header.Set(field.Name, field.Value)
	}
	got.Header.Set(reply.Field.Name, reply.Field.Value)
	if reply.Feed != nil {
		reply.Feed.Close()
	} else {
		got.Header.Set("Content-Length", strconv.Itoa(len(reply.Body)))
	}
	if c.draining { // which only HTTP/1.1 has
		got.Header.Set("Connection", "close")
	}
	return got
}

// brokenBody fails instead of giving a body, in the way that net/http does.
type brokenBody struct{ err error }

func (b brokenBody) Read(p []byte) (int, error) {
	switch {
	case errors.Is(b.err, transport.ErrBodyTooLarge):
		return len(p), nil
	case errors.Is(b.err, transport.ErrBodyTimeout):
		return 0, os.ErrDeadlineExceeded
	case errors.Is(b.err, kvconnect.ErrBodyTooShort):
		return 0, io.ErrUnexpectedEOF
	default:
		return 0, errors.New("connection reset")
	}
}

// overHTTP is the call as net/http makes it.
func (c *callCase) overHTTP(t *testing.T) observed {
	t.Helper()
	log := &safeBuffer{}
	server, ctx, header := c.serve(t, log)
	body := io.Reader(bytes.NewReader(c.body))
	if c.bodyErr != nil {
		body = brokenBody{c.bodyErr}
	}
	request := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v2/"+c.method, body)
	request.Header = header
	recorder := httptest.NewRecorder()
	server.ServeHTTP(recorder, request)
	return observed{Status: recorder.Code, Header: recorder.Header(), Body: recorder.Body.String(), Log: log.String()}
}

// What carries a call makes no difference to the client.
func TestTransportsAgree(t *testing.T) {
	t.Parallel()
	statuses := make(map[int]int)
	for name, c := range callCases(t) {
		direct, overHTTP := c.direct(t), c.overHTTP(t)
		if diff := cmp.Diff(overHTTP, direct); diff != "" {
			t.Errorf("%s (-net/http +direct):\n%s", name, diff)
		}
		statuses[direct.Status]++
		if tooSoon := strings.Contains(direct.Body, "; try again in "); tooSoon != (direct.Header.Get("Retry-After") != "") {
			t.Errorf("%s: Retry-After %q with the text %q", name, direct.Header.Get("Retry-After"), direct.Body)
		}
		if direct.Status >= 400 && direct.Body == "" {
			t.Errorf("%s: status %d without a text", name, direct.Status)
		}
		if gotHeader := direct.Header.Get("WWW-Authenticate"); (gotHeader == "Bearer") != (direct.Status == http.StatusUnauthorized) {
			t.Errorf("%s: status %d with WWW-Authenticate %q", name, direct.Status, gotHeader)
		}
	}
	for _, status := range []int{200, 400, 401, 403, 404, 405, 408, 413, 422, 429, 500, 503} {
		if statuses[status] == 0 {
			t.Errorf("no case has the status %d", status)
		}
	}
}

// The order in which a request is looked at: who has no token learns nothing else, and
// while the server drains nobody learns anything.
func TestAdmission(t *testing.T) {
	t.Parallel()
	refusedWith := map[string]string{
		"draining":                "the server is shutting down",
		"draining, no token":      "the server is shutting down",
		"no token, unknown one":   "atomic write: no token",
		"wrong token, no version": "watch: invalid or expired data path token",
		"no version":              "snapshot read: unsupported KV Connect protocol version",
		"unknown version":         `not "4"`,
		"no database":             "atomic write: the database id is missing",
		"unknown database":        "watch: no such database",
		"read-only, unknown one":  "atomic write: no such database",
		"read-only, write":        "atomic write: this access token may only read",
		"expired":                 "watch: the access token has expired",
		"revoked":                 "watch: the access token was revoked",
		"no request left":         "snapshot read: too many requests",
		"no request left, of all": "atomic write: too many requests",
	}
	cases := callCases(t)
	for name, want := range refusedWith {
		server, _, header := cases[name].serve(t, io.Discard)
		call, refusal := server.Admit(transport.Request{Method: http.MethodPost, Path: "/v2/" + cases[name].method, Header: header})
		if call != nil || refusal == nil || !strings.Contains(string(refusal.Body), want) {
			t.Errorf("%s: call %v, refusal %+v; want one that says %q", name, call, refusal, want)
		}
	}
	server, _ := memoryServer(asIs)
	server.Drain() // also then it is not for Admit to refuse these
	for _, request := range []transport.Request{
		{Method: "GET", Path: "/v2/snapshot_read"},
		{Method: "POST", Path: "/v2/snapshot_read/"},
		{Method: "POST", Path: "/v2/"},
		{Method: "POST", Path: "/"},
		{Method: "GET", Path: "/healthz"},
	} {
		request.Header = memoryHeader()
		if call, refusal := server.Admit(request); call != nil || refusal != nil {
			t.Errorf("%s %s: call %v, refusal %+v; want neither", request.Method, request.Path, call, refusal)
		}
	}
}

func TestQuickCalls(t *testing.T) {
	t.Parallel()
	read := func(limits ...int) *datapath.SnapshotRead {
		message := &datapath.SnapshotRead{}
		for _, limit := range limits {
			message.Ranges = append(message.Ranges, &datapath.ReadRange{Limit: int32(limit)})
		}
		return message
	}
	const most = kvconnect.MaxQuickEntries
	for name, c := range map[string]struct {
		method  string
		message proto.Message
		quick   bool
	}{
		"read of one entry":                    {"snapshot_read", read(1), true},
		"read of the most":                     {"snapshot_read", read(most), true},
		"read of one more":                     {"snapshot_read", read(most + 1), false},
		"reads that are the most together":     {"snapshot_read", read(1, most-1), true},
		"reads that are too many, together":    {"snapshot_read", read(1, 1, most-1), false},
		"read over a limit, which is not made": {"snapshot_read", read(1001), true},
		"watch":                                {"watch", &datapath.Watch{Keys: []*datapath.WatchKey{{Key: []byte{1}}}}, true},
		"write":                                {"atomic_write", &datapath.AtomicWrite{}, false},
		"write, no write":                      {"atomic_write", &datapath.Watch{}, false},
	} {
		server, _ := memoryServer(asIs)
		if got := admit(t, server, c.method).Receive(marshal(t, c.message)); got != c.quick {
			t.Errorf("%s: quick is %v, want %v", name, got, c.quick)
		}
	}
}

// A transport allows bodies as large as those of net/http.
func TestMaxBodyBytes(t *testing.T) {
	t.Parallel()
	server, _ := memoryServer(asIs)
	for method, want := range map[string]int64{
		"snapshot_read": protocol.MaxSnapshotReadBodyBytes,
		"atomic_write":  protocol.MaxAtomicWriteBodyBytes,
		"watch":         protocol.MaxWatchBodyBytes,
	} {
		if got := admit(t, server, method).MaxBodyBytes(); got != want {
			t.Errorf("%s: %d bytes, want %d", method, got, want)
		}
	}
}

// A point read allocates the call, what is decoded, the body of the reply, and its id.
//
//nolint:paralleltest // allocations are counted for the whole process
func TestAllocationsOfAPointRead(t *testing.T) {
	server, backend := memoryServer(asIs)
	backend.read.Ranges = [][]protocol.Entry{{{Key: []byte{1}, Value: protocol.U64Value(7), Versionstamp: protocol.VersionstampOf(1)}}}
	request := transport.Request{Method: http.MethodPost, Path: "/v2/snapshot_read", Header: memoryHeader()}
	body := marshal(t, &datapath.SnapshotRead{Ranges: []*datapath.ReadRange{{Start: []byte{1}, End: []byte{1, 0}, Limit: 1}}})
	ctx := t.Context()
	status := 0
	got := testing.AllocsPerRun(100, func() {
		call, _ := server.Admit(request)
		call.Receive(body)
		status = call.Serve(ctx, nil).Head.Status
	})
	if want := 4.0; got != want || status != http.StatusOK {
		t.Errorf("%v allocations, want %v; status %d", got, want, status)
	}
}
