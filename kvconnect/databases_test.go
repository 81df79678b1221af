package kvconnect_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
	"github.com/kvconnect/kvconnect/transport"
	"google.golang.org/protobuf/proto"
)

// dataPathMethods are those of all operations.
var dataPathMethods = []string{"snapshot_read", "atomic_write", "watch"}

func TestReadOnlyToken(t *testing.T) {
	t.Parallel()
	for name, way := range ways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := way.start(t, func(o *setup) { o.grant.Scope = access.ScopeRead })
			key := []byte{1}
			write := marshal(t, &datapath.AtomicWrite{Mutations: []*datapath.Mutation{{
				Key: key, MutationType: datapath.MutationType_M_SET,
				Value: &datapath.KvValue{Data: []byte{1}, Encoding: datapath.ValueEncoding_VE_BYTES},
			}}})
			const want = "atomic write: this access token may only read: to write, open the database with a token of the scope write"
			if reply := s.call(t, "atomic_write", write); reply.status != http.StatusForbidden || reply.body != want {
				t.Errorf("a write: status %d: %s\nwant 403: %s", reply.status, reply.body, want)
			}
			read := s.call(t, "snapshot_read", marshal(t, &datapath.SnapshotRead{
				Ranges: []*datapath.ReadRange{{Start: key, End: []byte{2}, Limit: 1}},
			}))
			var output datapath.SnapshotReadOutput
			if err := proto.Unmarshal([]byte(read.body), &output); err != nil || read.status != http.StatusOK {
				t.Fatalf("a read: status %d: %q, %v", read.status, read.body, err)
			}
			if n := len(output.GetRanges()[0].GetValues()); n != 0 {
				t.Errorf("%d entries were written", n)
			}
			if frame := nextFrame(t, s.openWatch(t, key)); len(frame) == 0 {
				t.Error("the first frame of the watch is empty")
			}
		})
	}
}

// Nobody can tell a database that is not there from one that is somebody else's.
func TestForeignDatabase(t *testing.T) {
	t.Parallel()
	const theirName = "theirs"
	for name, way := range ways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			theirs, unknown := uuid.New(), uuid.New()
			s := way.start(t, func(o *setup) {
				databases := newLendingDatabases(t, o.databaseID, o.backend)
				databases.backends[theirs] = &memoryBackend{}
				o.Databases = databases
				o.auth.name(theirs, theirName)
				o.auth.admit("their-access-token", &access.Grant{DatabaseID: theirs, Scope: access.ScopeWrite})
			})
			same := func(what string, foreign, missing response) {
				t.Helper()
				for _, reply := range []response{foreign, missing} {
					reply.header.Del("Date")
					reply.header.Del("X-Request-Id")
				}
				if foreign.status != http.StatusNotFound || !strings.HasSuffix(foreign.body, protocol.ErrUnknownDatabase.Error()) {
					t.Errorf("%s: status %d: %s", what, foreign.status, foreign.body)
				}
				if diff := cmp.Diff(missing, foreign, cmp.AllowUnexported(response{})); diff != "" {
					t.Errorf("%s (-unknown +foreign):\n%s", what, diff)
				}
			}
			for _, suffix := range []string{"", "/connect"} {
				exchange := func(name string) response {
					return s.do(t, http.MethodPost, "/databases/"+name+suffix, bearer(accessToken), nil)
				}
				same("by id"+suffix, exchange(theirs.String()), exchange(unknown.String()))
				same("by name"+suffix, exchange(theirName), exchange("nobodys"))
			}
			ours := s.metadata(t, "/", http.Header{}).Token
			for _, method := range dataPathMethods {
				call := func(id uuid.UUID) response {
					return s.do(t, http.MethodPost, "/v2/"+method, callHeader(ours, id), nil)
				}
				same(method, call(theirs), call(unknown))
			}
		})
	}
}

func TestPathsOfDatabases(t *testing.T) {
	t.Parallel()
	for name, way := range ways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			connect := uuid.New()
			s := way.start(t, func(o *setup) {
				o.auth.name(o.databaseID, "orders")
				o.auth.name(connect, "connect")
				o.auth.admit("token-of-connect", &access.Grant{DatabaseID: connect})
			})
			ours := s.options.databaseID
			for path, c := range map[string]struct {
				token  string
				want   uuid.UUID // none if there is no such path
				status int
			}{
				"/":                           {accessToken, ours, 200},
				"/databases/orders":           {accessToken, ours, 200},
				"/databases/orders/connect":   {accessToken, ours, 200},
				"/databases/" + ours.String(): {accessToken, ours, 200},
				"/databases/" + ours.String() + "/connect": {accessToken, ours, 200},
				"/databases/connect":                       {"token-of-connect", connect, 200},
				"/databases/connect/connect":               {"token-of-connect", connect, 200},
				"/databases/":                              {accessToken, uuid.Nil, 404},
				"/databases//connect":                      {accessToken, uuid.Nil, 404},
				"/databases/orders/":                       {accessToken, uuid.Nil, 404},
				"/databases/orders/connect/":               {accessToken, uuid.Nil, 404},
				"/databases/orders/other":                  {accessToken, uuid.Nil, 404},
				"/databases/orders%2Fconnect/connect":      {accessToken, uuid.Nil, 404},
				"/databases":                               {accessToken, uuid.Nil, 404},
			} {
				reply := s.do(t, http.MethodPost, path, bearer(c.token), nil)
				var m metadata
				if c.status == http.StatusOK {
					if err := json.Unmarshal([]byte(reply.body), &m); err != nil || m.DatabaseID != c.want.String() {
						t.Errorf("%s: database %q, %v; want %v", path, m.DatabaseID, err, c.want)
					}
				} else if !strings.HasPrefix(reply.body, protocol.ErrNotFound.Error()) {
					t.Errorf("%s: %s", path, reply.body)
				}
				if reply.status != c.status {
					t.Errorf("%s: status %d: %s; want %d", path, reply.status, reply.body, c.status)
				}
			}
			if reply := s.do(t, http.MethodGet, "/databases/orders", bearer(accessToken), nil); reply.status != http.StatusMethodNotAllowed {
				t.Errorf("GET: status %d: %s", reply.status, reply.body)
			}
		})
	}
}

func TestDatabaseThatIsNotLent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		status int
		text   string
	}{
		"deleted":     {fmt.Errorf("at the disk: %w", protocol.ErrUnknownDatabase), 404, "no such database"},
		"unavailable": {fmt.Errorf("%w: the disk is gone", protocol.ErrUnavailable), 503, protocol.ErrUnavailable.Error()},
		"broken":      {errors.New("the disk is gone"), 500, "the log of the server tells more"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var databases *lendingDatabases
			server, _ := memoryServer(func(o *setup) {
				databases = newLendingDatabases(t, o.databaseID, o.backend)
				databases.fail(c.err)
				o.Databases = databases
				o.grant.Token = access.NewMeter(access.Limits{Watches: 1})
			})
			for _, method := range dataPathMethods {
				for range 2 { // nothing of the first is in the way of the second
					call := admit(t, server, method)
					call.Receive(nil)
					reply := call.Serve(t.Context(), &countingWaker{})
					text := string(reply.Body)
					if reply.Head.Status != c.status || !strings.Contains(text, c.text) || strings.Contains(text, "gone") {
						t.Errorf("%s: status %d: %s", method, reply.Head.Status, text)
					}
				}
			}
			databases.fail(nil)
			reply, _ := openFeed(t, server)
			reply.Feed.Close()
		})
	}
}

// To open a database takes its time, which other requests of the connection do not wait
// for.
func TestColdDatabaseIsNotQuick(t *testing.T) {
	t.Parallel()
	for _, closed := range []bool{false, true} {
		server, _ := memoryServer(func(o *setup) {
			databases := newLendingDatabases(t, o.databaseID, o.backend)
			databases.closed = closed
			o.Databases = databases
		})
		for method, body := range map[string][]byte{
			"snapshot_read": marshal(t, &datapath.SnapshotRead{Ranges: []*datapath.ReadRange{{Limit: 1}}}),
			"watch":         marshal(t, &datapath.Watch{Keys: []*datapath.WatchKey{{Key: []byte{1}}}}),
		} {
			if quick := admit(t, server, method).Receive(body); quick == closed {
				t.Errorf("%s: quick is %v for a database that is closed: %v", method, quick, closed)
			}
		}
	}
}

// A database goes back once the call is over, however it ends.
func TestLoansEnd(t *testing.T) {
	t.Parallel()
	for _, method := range dataPathMethods {
		for name, c := range map[string]struct {
			callCase
			lent int
		}{
			"well":             {callCase{}, 1},
			"with a fault":     {callCase{backendErr: errors.New("the disk is broken")}, 1},
			"given up":         {callCase{givenUp: true}, 0},
			"undecodable":      {callCase{body: []byte("garbage")}, 0},
			"body too large":   {callCase{bodyErr: transport.ErrBodyTooLarge}, 0},
			"body not whole":   {callCase{bodyErr: transport.ErrBodyIncomplete}, 0},
			"draining":         {callCase{draining: true}, 0},
			"without a token":  {callCase{header: http.Header{}}, 0},
			"no request left":  {callCase{change: func(g *access.Grant) { g.Token = noRequestLeft() }}, 0},
			"no such database": {callCase{header: memoryHeader("X-Denokv-Database-Id", uuid.NewString())}, 0},
		} {
			t.Run(method+", "+name, func(t *testing.T) {
				t.Parallel()
				c.method = method
				for way, call := range map[string]func(*testing.T) observed{"direct": c.direct, "net/http": c.overHTTP} {
					if way == "net/http" && method == "watch" && name == "well" {
						continue // it does not end
					}
					call(t)
					if lent, onLoan := c.databases.loans(); onLoan != 0 || lent != c.lent {
						t.Errorf("%s: %d loans, %d of them not over; want %d, 0", way, lent, onLoan, c.lent)
					}
				}
			})
		}
	}
}

// Also the client that waits for it may be gone.
func TestLoansEndWithTheClient(t *testing.T) {
	t.Parallel()
	for name, way := range ways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slow := slowBackend{begun: make(chan struct{}), goOn: make(chan struct{})}
			var databases *lendingDatabases
			s := way.start(t, func(o *setup) {
				slow.Backend = o.backend
				databases = newLendingDatabases(t, o.databaseID, slow)
				o.Databases = databases
			})
			stream := s.openWatch(t, []byte{1})
			nextFrame(t, stream)
			if _, onLoan := databases.loans(); onLoan != 1 {
				t.Errorf("%d loans while a watch is open", onLoan)
			}
			if err := stream.Close(); err != nil {
				t.Fatal(err)
			}
			databases.waitForAll()
			if s.server.OpenFeeds() != 0 {
				t.Error("the feed is open")
			}

			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v2/atomic_write", bytes.NewReader(nil))
			if err != nil {
				t.Fatal(err)
			}
			request.Header = s.dataPathHeader(t)
			s.abandon(request, slow.begun)
			close(slow.goOn)
			databases.waitForAll()
		})
	}
}

// Watches that a drain ends give their databases back.
func TestLoansEndWithADrain(t *testing.T) {
	t.Parallel()
	for name, way := range ways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var databases *lendingDatabases
			s := way.start(t, func(o *setup) {
				databases = newLendingDatabases(t, o.databaseID, o.backend)
				o.Databases = databases
			})
			const n = 3
			for range n {
				nextFrame(t, s.openWatch(t, []byte{1}))
			}
			if _, onLoan := databases.loans(); onLoan != n {
				t.Errorf("%d loans, want %d", onLoan, n)
			}
			s.server.Drain()
			databases.waitForAll()
		})
	}
}
