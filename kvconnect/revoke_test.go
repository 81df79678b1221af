package kvconnect_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/transport"
)

// testClock is a clock that a test sets. It is safe for concurrent use.
type testClock struct{ ms atomic.Int64 }

func newTestClock() *testClock {
	c := new(testClock)
	c.ms.Store(time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC).UnixMilli())
	return c
}

func (c *testClock) now() time.Time          { return time.UnixMilli(c.ms.Load()) }
func (c *testClock) advance(d time.Duration) { c.ms.Add(d.Milliseconds()) }

// A watch whose token is not valid any more says so and ends in order. Nothing but the end
// of the token makes it: no commit, and no sign of life.
func TestTokenEndsWhileAWatchIsOpen(t *testing.T) {
	t.Parallel()
	const lifetime = 20 * time.Millisecond
	for name, c := range map[string]struct {
		end  func(grant *access.Grant, clock *testClock)
		text string
	}{
		"revoked": {func(g *access.Grant, _ *testClock) { g.Revoke() }, "the access token was revoked"},
		"expired": {func(_ *access.Grant, c *testClock) { c.advance(lifetime) }, "the access token has expired"},
	} {
		for wayName, way := range ways() {
			t.Run(name+", "+wayName, func(t *testing.T) {
				t.Parallel()
				clock := newTestClock()
				var grant *access.Grant
				s := way.start(t, func(o *setup) {
					o.Now, o.auth.now = clock.now, clock.now
					o.WatchKeepAlive = time.Hour
					grant = o.grant
					grant.ExpiresAt = clock.now().Add(lifetime)
					grant.Token, grant.Database = access.NewMeter(access.Limits{}), access.NewMeter(access.Limits{})
					o.auth.admit("another", &access.Grant{DatabaseID: o.databaseID, Scope: access.ScopeRead})
				})
				key := []byte{1}
				header := s.dataPathHeader(t)
				other := s.openWatchWith(t, callHeader(s.issue(t, "another"), s.options.databaseID), key)
				nextFrame(t, other)
				const n = 3
				var streams [n]io.Reader
				for i := range streams {
					streams[i] = s.openWatchWith(t, header, key)
					nextFrame(t, streams[i])
				}
				c.end(grant, clock)
				for _, stream := range streams {
					rest, err := io.ReadAll(stream)
					if want := protocol.ReadDisabledFrame(); err != nil || !bytes.Equal(rest, want) {
						t.Errorf("the watch ends with %x, %v; want %x", rest, err, want)
					}
				}
				for path, header := range map[string]http.Header{
					"/": bearer(accessToken), "/v2/watch": header, "/v2/snapshot_read": header,
				} {
					reply := s.do(t, http.MethodPost, path, header, nil)
					if reply.status != http.StatusUnauthorized || !strings.Contains(reply.body, c.text) {
						t.Errorf("%s: status %d: %s", path, reply.status, reply.body)
					}
				}
				if _, err := s.backend.AtomicWrite(t.Context(), protocol.AtomicWrite{
					Mutations: []protocol.Mutation{{Type: protocol.MutationSet, Key: key, Value: protocol.U64Value(7)}},
				}); err != nil {
					t.Fatal(err)
				}
				if len(nextFrame(t, other)) == 0 {
					t.Error("the watch of another token ended too")
				}
				s.server.Drain()
				if err := s.http.Shutdown(t.Context()); err != nil {
					t.Errorf("shutdown: %v", err)
				}
				if s.server.OpenFeeds() != 0 || grant.Token.Watches() != 0 || grant.Database.Watches() != 0 {
					t.Errorf("%d feeds are left, %d and %d watches", s.server.OpenFeeds(), grant.Token.Watches(), grant.Database.Watches())
				}
			})
		}
	}
}

// wantDisabled checks that a feed says that it is disabled, and then ends.
func wantDisabled(t *testing.T, feed transport.Feed, waker *countingWaker) {
	t.Helper()
	if waker.woken.Load() == 0 {
		t.Error("the feed was not woken")
	}
	before := waker.woken.Load()
	if frame, err := feed.Next(t.Context()); err != nil || !bytes.Equal(frame, protocol.ReadDisabledFrame()) {
		t.Errorf("frame %x, %v; want %x", frame, err, protocol.ReadDisabledFrame())
	}
	if waker.woken.Load() == before {
		t.Error("the feed was not woken for its end")
	}
	for range 2 {
		if frame, err := feed.Next(t.Context()); frame != nil || !errors.Is(err, io.EOF) {
			t.Errorf("frame %x, %v; want io.EOF", frame, err)
		}
	}
}

// endingBackend has something happen while the first state of a watch is read.
type endingBackend struct {
	kvconnect.Backend
	during func()
}

func (b endingBackend) Watch(watch protocol.Watch, changed func()) (protocol.Watcher, error) {
	watcher, err := b.Backend.Watch(watch, changed)
	return endingWatcher{watcher, b.during}, err
}

type endingWatcher struct {
	protocol.Watcher
	during func()
}

func (w endingWatcher) State(ctx context.Context) (protocol.WatchOutput, error) {
	w.during()
	return w.Watcher.State(ctx)
}

// A token may end while a watch is on its way, when others of it are open already, which
// were woken, or when it is the first.
func TestTokenEndsWhileAWatchOpens(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*access.Grant, *testClock){
		"revoked": func(g *access.Grant, _ *testClock) { g.Revoke() },
		"expired": func(_ *access.Grant, c *testClock) { c.advance(time.Hour) },
	} {
		for _, others := range []int{0, 1, 2} {
			clock := newTestClock()
			during := func() {}
			var grant *access.Grant
			server, backend := memoryServer(func(o *setup) {
				o.Now, o.auth.now = clock.now, clock.now
				o.backend = endingBackend{o.backend, func() { during() }}
				grant = o.grant
				grant.ExpiresAt = clock.now().Add(time.Hour)
			})
			var open []transport.Reply
			for range others {
				reply, _ := openFeed(t, server)
				open = append(open, reply)
			}
			during = sync.OnceFunc(func() { end(grant, clock) })
			reply, waker := openFeed(t, server)
			t.Logf("%s, with %d others", name, others)
			wantDisabled(t, reply.Feed, waker)
			for _, r := range append(open, reply) {
				r.Feed.Close()
			}
			if backend.openWatchers() != 0 || server.OpenFeeds() != 0 {
				t.Errorf("%s, with %d others: something is left", name, others)
			}
		}
	}
}

// Feeds are woken when their token expires and not before, also if the clock is set.
func TestExpiryFollowsTheClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var clockIsAhead atomic.Int64 // nanoseconds
		now := func() time.Time { return time.Now().Add(time.Duration(clockIsAhead.Load())) }
		server, _ := memoryServer(func(o *setup) {
			o.Now, o.auth.now = now, now
			o.grant.ExpiresAt = now().Add(3 * time.Hour)
		})
		reply, waker := openFeed(t, server)
		closed, closedWaker := openFeed(t, server)
		closed.Feed.Close()
		pass := func(d time.Duration, wantWoken bool) {
			t.Helper()
			<-time.After(d)
			synctest.Wait()
			if got := waker.woken.Load() > 0; got != wantWoken {
				t.Errorf("after another %v: woken is %v, want %v", d, got, wantWoken)
			}
		}
		pass(time.Hour, false)
		clockIsAhead.Store(-int64(time.Hour)) // set back
		pass(2*time.Hour-time.Second, false)
		pass(30*time.Minute, false)
		clockIsAhead.Store(0) // and put right, which makes it late
		pass(time.Minute, true)
		wantDisabled(t, reply.Feed, waker)
		reply.Feed.Close()
		before := waker.woken.Load()
		<-time.After(time.Hour)
		if waker.woken.Load() != before || closedWaker.woken.Load() != 0 {
			t.Error("a feed was woken after its end")
		}
	})
}

// Nobody waits for the end of a token without an open watch.
func TestGrantKeepsNothingOfClosedWatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int64 // at the clock
		grant := &access.Grant{DatabaseID: memoryDatabaseID, ExpiresAt: time.Now().Add(time.Hour)}
		server := func() weak.Pointer[kvconnect.Server] {
			server, _ := memoryServer(func(o *setup) {
				o.grant = grant
				o.Now = func() time.Time {
					looks.Add(1)
					return time.Now()
				}
			})
			for range 2 {
				reply, _ := openFeed(t, server)
				reply.Feed.Close()
			}
			return weak.Make(server)
		}()
		before := looks.Load()
		<-time.After(time.Hour)
		if n := looks.Load() - before; n > 0 {
			t.Errorf("%d looks at the clock", n)
		}
		for i := 0; server.Value() != nil; i++ {
			if i == 10 {
				t.Error("the grant holds on to the server")
				break
			}
			runtime.GC()
		}
		runtime.KeepAlive(grant)
	})
}

func TestExpiryIsPrompt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const lifetime = 90*time.Second + 700*time.Millisecond
		server, _ := memoryServer(func(o *setup) { o.grant.ExpiresAt = time.Now().Add(lifetime) })
		for range 2 { // the second finds nothing of the first
			reply, waker := openFeed(t, server)
			<-time.After(40 * time.Second)
			synctest.Wait()
			if waker.woken.Load() != 0 {
				t.Error("woken too early")
			}
			reply.Feed.Close()
		}
		reply, waker := openFeed(t, server)
		defer reply.Feed.Close()
		<-time.After(lifetime - 80*time.Second)
		synctest.Wait()
		wantDisabled(t, reply.Feed, waker)
	})
}

// newsToken is a transport.Waker to wait for.
type newsToken chan struct{}

func (n newsToken) Wake() {
	select {
	case n <- struct{}{}:
	default:
	}
}

// Whatever comes first, no watch stays open whose token was revoked.
func TestRevokeWhileWatchesOpenAndClose(t *testing.T) {
	t.Parallel()
	const rounds, watchers, opens = 300, 4, 3
	var databases *lendingDatabases
	var authenticator *testAuthenticator
	database := access.NewMeter(access.Limits{})
	server, backend := memoryServer(func(o *setup) {
		databases = newLendingDatabases(t, o.databaseID, o.backend)
		o.Databases = databases
		authenticator = o.auth
	})
	backend.become(nil, nil)
	for range rounds {
		grant := &access.Grant{
			DatabaseID: memoryDatabaseID, Scope: access.ScopeRead,
			Token: access.NewMeter(access.Limits{Watches: watchers}), Database: database,
		}
		token, _, err := authenticator.IssueDataPathToken(grant)
		if err != nil {
			t.Fatal(err)
		}
		request := transport.Request{Method: http.MethodPost, Path: "/v2/watch", Header: callHeader(token, memoryDatabaseID)}
		var all sync.WaitGroup
		begin := make(chan struct{})
		for i := range watchers {
			all.Go(func() {
				<-begin
				for n := range opens {
					// All but the last are closed in the midst of it.
					if !watchUntilRevoked(t, server, request, n == opens-1 || i == 0) {
						return
					}
				}
			})
		}
		all.Go(func() {
			<-begin
			grant.Revoke()
		})
		close(begin)
		all.Wait()
		if n := grant.Token.Watches(); n != 0 {
			t.Fatalf("%d watches of the token are left", n)
		}
	}
	if _, onLoan := databases.loans(); onLoan != 0 || server.OpenFeeds() != 0 || database.Watches() != 0 || backend.openWatchers() != 0 {
		t.Errorf("%d loans, %d feeds, %d watches and %d watchers are left",
			onLoan, server.OpenFeeds(), database.Watches(), backend.openWatchers())
	}
}

// watchUntilRevoked opens a watch and closes it, if it is to wait not before the watch says
// that its token was revoked. It reports whether the token was valid at first.
func watchUntilRevoked(t *testing.T, server *kvconnect.Server, request transport.Request, wait bool) bool {
	t.Helper()
	call, refusal := server.Admit(request)
	if refusal != nil {
		if refusal.Head.Status != http.StatusUnauthorized {
			t.Errorf("status %d: %s", refusal.Head.Status, refusal.Body)
		}
		return false
	}
	call.Receive(nil)
	news := make(newsToken, 1)
	reply := call.Serve(t.Context(), news)
	if reply.Feed == nil {
		if reply.Head.Status != http.StatusUnauthorized {
			t.Errorf("status %d: %s", reply.Head.Status, reply.Body)
		}
		return false
	}
	defer reply.Feed.Close()
	for disabled := false; wait; {
		<-news // if it does not come, the test does not end
		frame, err := reply.Feed.Next(t.Context())
		switch {
		case disabled && errors.Is(err, io.EOF):
			return true
		case err != nil, disabled:
			t.Errorf("frame %x, %v", frame, err)
			return false
		}
		disabled = bytes.Equal(frame, protocol.ReadDisabledFrame())
	}
	return true
}

// A token may end after its call was admitted: while the body arrives, and while the
// database is opened. Nothing is read or written then.
func TestTokenEndsBeforeTheCallIsServed(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*access.Grant, *testClock){
		"revoked": func(g *access.Grant, _ *testClock) { g.Revoke() },
		"expired": func(_ *access.Grant, c *testClock) { c.advance(time.Hour) },
	} {
		for _, method := range []string{"snapshot_read", "atomic_write", "watch"} {
			clock := newTestClock()
			var databases *lendingDatabases
			var grant *access.Grant
			server, backend := memoryServer(func(o *setup) {
				o.Now, o.auth.now = clock.now, clock.now
				databases = newLendingDatabases(t, o.databaseID, o.backend)
				o.Databases = databases
				grant = o.grant
				grant.ExpiresAt = clock.now().Add(time.Hour)
				grant.Token = access.NewMeter(access.Limits{})
			})
			call := admit(t, server, method)
			end(grant, clock)
			call.Receive(nil)
			reply := call.Serve(t.Context(), &countingWaker{})
			if reply.Head.Status != http.StatusUnauthorized || !strings.Contains(string(reply.Body), name) || reply.Feed != nil {
				t.Errorf("%s, %s: status %d: %s", name, method, reply.Head.Status, reply.Body)
			}
			if _, onLoan := databases.loans(); onLoan != 0 || grant.Token.Watches() != 0 || backend.openWatchers() != 0 {
				t.Errorf("%s, %s: something is left", name, method)
			}
		}
	}
}

// Watches and calls that were admitted with a token of a key that is dropped end with it.
func TestDistrustTokens(t *testing.T) {
	t.Parallel()
	var databases *lendingDatabases
	server, backend := memoryServer(func(o *setup) {
		databases = newLendingDatabases(t, o.databaseID, o.backend)
		o.Databases = databases
	})
	open, waker := openFeed(t, server)
	admitted := make(map[string]transport.Call)
	for _, method := range []string{"snapshot_read", "atomic_write", "watch"} {
		admitted[method] = admit(t, server, method)
	}
	server.DistrustTokens()
	if waker.woken.Load() == 0 {
		t.Error("the watch was not woken")
	}
	if frame, err := open.Feed.Next(t.Context()); frame != nil || !errors.Is(err, io.EOF) {
		t.Errorf("the watch: frame %x, %v; want io.EOF", frame, err)
	}
	open.Feed.Close()
	for method, call := range admitted {
		call.Receive(nil)
		if reply := call.Serve(t.Context(), &countingWaker{}); reply.Head.Status != http.StatusUnauthorized || reply.Feed != nil {
			t.Errorf("%s: status %d: %s", method, reply.Head.Status, reply.Body)
		}
	}
	again, _ := openFeed(t, server)
	if frame, err := again.Feed.Next(t.Context()); frame != nil || err != nil {
		t.Errorf("the watch with a token that was looked at since: frame %x, %v", frame, err)
	}
	again.Feed.Close()
	if _, onLoan := databases.loans(); onLoan != 0 || backend.openWatchers() != 0 {
		t.Error("something is left")
	}
}

// A watch that opens meanwhile, with others of its token that were woken before it was there,
// ends too.
func TestDistrustTokensWhileAWatchOpens(t *testing.T) {
	t.Parallel()
	during := func() {}
	server, _ := memoryServer(func(o *setup) { o.backend = endingBackend{o.backend, func() { during() }} })
	other, _ := openFeed(t, server)
	defer other.Feed.Close()
	during = sync.OnceFunc(server.DistrustTokens)
	late, waker := openFeed(t, server)
	defer late.Feed.Close()
	if frame, err := late.Feed.Next(t.Context()); waker.woken.Load() == 0 || frame != nil || !errors.Is(err, io.EOF) {
		t.Errorf("woken %d times, frame %x, %v; want io.EOF", waker.woken.Load(), frame, err)
	}
}
