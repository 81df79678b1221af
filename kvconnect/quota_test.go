package kvconnect_test

import (
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/transport"
)

func TestRequestQuota(t *testing.T) {
	t.Parallel()
	limits := access.Limits{RequestsPerSecond: 2}
	for name, c := range map[string]struct {
		set  func(*access.Grant)
		text string
	}{
		"of the token":    {func(g *access.Grant) { g.Token = access.NewMeter(limits) }, "this access token allows 2 a second; try again in 1 s"},
		"of the database": {func(g *access.Grant) { g.Database = access.NewMeter(limits) }, "this database allows 2 a second; try again in 1 s"},
	} {
		for wayName, way := range ways() {
			t.Run(name+", "+wayName, func(t *testing.T) {
				t.Parallel()
				clock := newTestClock()
				s := way.start(t, func(o *setup) {
					o.Now = clock.now
					c.set(o.grant)
				})
				header := s.dataPathHeader(t)
				call := func(method string) response {
					return s.do(t, http.MethodPost, "/v2/"+method, header, nil)
				}
				for range 2 { // the second time with a new quota
					for _, method := range []string{"snapshot_read", "atomic_write"} {
						if reply := call(method); reply.status != http.StatusOK {
							t.Errorf("%s within the quota: status %d: %s", method, reply.status, reply.body)
						}
					}
					for _, method := range dataPathMethods {
						reply := call(method)
						if reply.status != http.StatusTooManyRequests || reply.header.Get("Retry-After") != "1" {
							t.Errorf("%s beyond the quota: status %d, Retry-After %q", method, reply.status, reply.header.Get("Retry-After"))
						}
						if want := ": too many requests: " + c.text; !strings.HasSuffix(reply.body, want) {
							t.Errorf("%s beyond the quota: %q, want %q", method, reply.body, want)
						}
					}
					for range 5 { // is not counted, and not refused
						s.metadata(t, "/", http.Header{})
					}
					clock.advance(time.Second)
				}
			})
		}
	}
}

// The time to wait is rounded up to whole seconds: who comes after it is let through.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		perSecond float64
		after     time.Duration // of the first request
		want      string
	}{
		{1, 0, "1"},
		{1, 999 * time.Millisecond, "1"},
		{0.5, 0, "2"},
		{0.5, 999 * time.Millisecond, "2"},
		{0.5, time.Second + time.Millisecond, "1"},
		{0.25, time.Millisecond, "4"},
		{1.0 / 64, 0, "64"},
	} {
		clock := newTestClock()
		server, _ := memoryServer(func(o *setup) {
			o.Now = clock.now
			o.grant.Token = access.NewMeter(access.Limits{RequestsPerSecond: c.perSecond})
		})
		admit(t, server, "snapshot_read")
		clock.advance(c.after)
		_, refusal := server.Admit(transport.Request{Method: http.MethodPost, Path: "/v2/snapshot_read", Header: memoryHeader()})
		if refusal == nil {
			t.Errorf("%v a second: not refused after %v", c.perSecond, c.after)
			continue
		}
		if got := headerOf(*refusal).Get("Retry-After"); got != c.want {
			t.Errorf("%v a second, after %v: Retry-After %q, want %q", c.perSecond, c.after, got, c.want)
		}
		wait, err := time.ParseDuration(c.want + "s")
		if err != nil {
			t.Fatal(err)
		}
		clock.advance(wait)
		admit(t, server, "snapshot_read")
	}
}

// headerOf gives the fields of a reply.
func headerOf(reply transport.Reply) http.Header {
	header := make(http.Header)
	for _, field := range reply.Head.Fields {
		header.Set(field.Name, field.Value)
	}
	return header
}

// The heads of replies are shared: the time to wait of one must not show in others.
func TestRetryAfterIsOfOneReply(t *testing.T) {
	t.Parallel()
	clock := newTestClock()
	var grant *access.Grant
	server, backend := memoryServer(func(o *setup) {
		o.Now = clock.now
		o.grant.Token = access.NewMeter(access.Limits{RequestsPerSecond: 1})
		grant = o.grant
	})
	admit(t, server, "snapshot_read")
	_, refusal := server.Admit(transport.Request{Method: http.MethodPost, Path: "/v2/snapshot_read", Header: memoryHeader()})
	if refusal == nil || headerOf(*refusal).Get("Retry-After") == "" {
		t.Fatalf("refusal %+v", refusal)
	}
	grant.Token.SetLimits(access.Limits{})
	backend.become(protocol.ErrTooManyWatches) // has the same status
	reply := admit(t, server, "watch").Serve(t.Context(), &countingWaker{})
	if got := headerOf(reply).Get("Retry-After"); reply.Head.Status != http.StatusTooManyRequests || got != "" {
		t.Errorf("status %d, Retry-After %q", reply.Head.Status, got)
	}
}

// What a token is refused for takes nothing from the others of its database.
func TestTokenQuotaSparesTheDatabase(t *testing.T) {
	t.Parallel()
	clock := newTestClock()
	database := access.NewMeter(access.Limits{RequestsPerSecond: 2})
	const otherToken = "another-data-path-token"
	server, _ := memoryServer(func(o *setup) {
		o.Now = clock.now
		o.grant.Token, o.grant.Database = access.NewMeter(access.Limits{RequestsPerSecond: 1}), database
		o.auth.issue(otherToken, &access.Grant{DatabaseID: o.databaseID, Database: database})
	})
	statusWith := func(token string) int {
		_, refusal := server.Admit(transport.Request{
			Method: http.MethodPost, Path: "/v2/snapshot_read", Header: callHeader(token, memoryDatabaseID),
		})
		if refusal == nil {
			return http.StatusOK
		}
		return refusal.Head.Status
	}
	for i, step := range []struct {
		token string
		want  int
	}{
		{dataPathToken, 200},
		{dataPathToken, 429},
		{dataPathToken, 429},
		{otherToken, 200},
		{otherToken, 429},
	} {
		if got := statusWith(step.token); got != step.want {
			t.Errorf("call %d: status %d, want %d", i, got, step.want)
		}
	}
}

func TestWatchQuota(t *testing.T) {
	t.Parallel()
	for wayName, way := range ways() {
		t.Run(wayName, func(t *testing.T) {
			t.Parallel()
			var token, database *access.Meter
			s := way.start(t, func(o *setup) {
				token, database = access.NewMeter(access.Limits{Watches: 2}), access.NewMeter(access.Limits{Watches: 3})
				o.grant.Token, o.grant.Database = token, database
				o.auth.admit("another", &access.Grant{DatabaseID: o.databaseID, Scope: access.ScopeRead, Database: database})
			})
			header := s.dataPathHeader(t)
			others := callHeader(s.issue(t, "another"), s.options.databaseID)
			refused := func(header http.Header, text string) {
				t.Helper()
				reply := s.do(t, http.MethodPost, "/v2/watch", header, nil)
				want := "watch: too many open watches: " + text + " at once, close one of them"
				if reply.status != http.StatusTooManyRequests || reply.body != want {
					t.Errorf("status %d: %q, want 429: %q", reply.status, reply.body, want)
				}
			}
			first := s.openWatchWith(t, header, []byte{1})
			second := s.openWatchWith(t, header, []byte{1})
			refused(header, "this access token allows 2")
			third := s.openWatchWith(t, others, []byte{1})
			refused(others, "this database allows 3")
			if token.Watches() != 2 || database.Watches() != 3 {
				t.Errorf("%d and %d watches, want 2 and 3", token.Watches(), database.Watches())
			}
			if reply := s.do(t, http.MethodPost, "/v2/snapshot_read", header, nil); reply.status != http.StatusOK {
				t.Errorf("a read: status %d: %s", reply.status, reply.body)
			}
			for _, stream := range []io.Closer{first, second, third} {
				if err := stream.Close(); err != nil {
					t.Fatal(err)
				}
			}
			for token.Watches() > 0 || database.Watches() > 0 { // they are counted until they are over
				runtime.Gosched()
			}
			for _, header := range []http.Header{header, header, others} {
				s.openWatchWith(t, header, []byte{1})
			}
		})
	}
}

// A watch that does not open, for whatever reason, is not counted.
func TestWatchQuotaAfterAFailedOpen(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is broken")
	for name, c := range map[string]struct {
		body          []byte
		lend, backend error
		stateless     bool
		database      bool // its quota is used up
		status        int
	}{
		"not decoded":         {body: []byte("garbage"), status: 400},
		"not lent":            {lend: protocol.ErrUnavailable, status: 503},
		"not watched":         {backend: broken, status: 500},
		"not read":            {stateless: true, status: 503},
		"beyond the database": {database: true, status: 429},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token, database := access.NewMeter(access.Limits{Watches: 1}), access.NewMeter(access.Limits{Watches: 1})
			databaseWatches := 0
			if c.database {
				database.OpenWatch()
				databaseWatches = 1
			}
			var databases *lendingDatabases
			server, backend := memoryServer(func(o *setup) {
				o.grant.Token, o.grant.Database = token, database
				if c.stateless {
					o.backend = stateless{o.backend}
				}
				databases = newLendingDatabases(t, o.databaseID, o.backend)
				databases.fail(c.lend)
				o.Databases = databases
			})
			backend.become(c.backend)
			for range 3 {
				call := admit(t, server, "watch")
				call.Receive(c.body)
				if reply := call.Serve(t.Context(), &countingWaker{}); reply.Head.Status != c.status {
					t.Errorf("status %d: %s, want %d", reply.Head.Status, reply.Body, c.status)
				}
				_, onLoan := databases.loans()
				if token.Watches() != 0 || database.Watches() != databaseWatches || onLoan != 0 || server.OpenFeeds() != 0 {
					t.Errorf("%d and %d watches, %d loans, %d feeds are left",
						token.Watches(), database.Watches(), onLoan, server.OpenFeeds())
				}
			}
		})
	}
}
