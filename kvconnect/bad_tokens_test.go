package kvconnect_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/protocol"
)

// What is told to whoever guesses tokens, in the numbers of the specification.
const (
	burst    = 10
	maxWaits = 64
	maxDelay = 5 * time.Second
)

const attacker = "203.0.113.5:1234"

// guess is an access token that nobody has.
const guess = "guessed-access-token"

// answer is what a metadata exchange got, and when.
type answer struct {
	*httptest.ResponseRecorder
	after time.Duration
}

// ask makes a metadata exchange.
func ask(ctx context.Context, server *kvconnect.Server, token, peer string, forwardedFor ...string) answer {
	request := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", nil)
	request.RemoteAddr = peer
	request.Header = bearer(token)
	if len(forwardedFor) > 0 {
		request.Header["X-Forwarded-For"] = forwardedFor
	}
	recorder := httptest.NewRecorder()
	begun := time.Now()
	server.ServeHTTP(recorder, request)
	return answer{recorder, time.Since(begun)}
}

// wantRefused checks an answer to a guess.
func wantRefused(t *testing.T, what string, got answer, after time.Duration) {
	t.Helper()
	if got.Code != http.StatusUnauthorized || got.after != after || got.Body.String() != "metadata exchange: "+protocol.ErrInvalidAccessToken.Error() {
		t.Errorf("%s: status %d after %v: %s; want 401 after %v", what, got.Code, got.after, got.Body, after)
	}
}

// useUpBurst has an address use up what is answered at once.
func useUpBurst(t *testing.T, server *kvconnect.Server, peer string) {
	t.Helper()
	for range burst {
		wantRefused(t, "within the burst", ask(t.Context(), server, guess, peer), 0)
	}
}

func TestBadTokensAreSlowedDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, _ := memoryServer(asIs)
		useUpBurst(t, server, attacker)
		for range 3 { // one after the other
			wantRefused(t, "beyond the burst", ask(t.Context(), server, guess, attacker), time.Second)
		}
		<-time.After(burst * time.Second)
		useUpBurst(t, server, attacker)
	})
}

// Those that come beyond the time or the number that may wait are refused at once.
func TestBadTokensAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, _ := memoryServer(asIs)
		useUpBurst(t, server, attacker)
		var mu sync.Mutex
		waited := make(map[time.Duration]int)
		var all sync.WaitGroup
		const n = 20
		for range n {
			all.Go(func() {
				got := ask(t.Context(), server, guess, attacker)
				if got.after > 0 {
					wantRefused(t, "held back", got, got.after.Round(time.Second))
				} else {
					wantTooManyGuesses(t, got, "6", protocol.ErrInvalidAccessToken)
				}
				mu.Lock()
				defer mu.Unlock()
				waited[got.after]++
			})
		}
		all.Wait()
		for delay := time.Second; delay <= maxDelay; delay += time.Second {
			if waited[delay] != 1 {
				t.Errorf("%d answers after %v, want 1", waited[delay], delay)
			}
		}
		if want := n - int(maxDelay/time.Second); waited[0] != want {
			t.Errorf("%d refused at once, want %d", waited[0], want)
		}
	})
}

func wantTooManyGuesses(t *testing.T, got answer, retryAfter string, reason error) {
	t.Helper()
	want := fmt.Sprintf("metadata exchange: too many requests from this address: %v; try again in %s s", reason, retryAfter)
	if got.Code != http.StatusTooManyRequests || got.Header().Get("Retry-After") != retryAfter || got.Body.String() != want || got.after != 0 {
		t.Errorf("status %d after %v, Retry-After %q: %s; want 429 at once, %s: %s",
			got.Code, got.after, got.Header().Get("Retry-After"), got.Body, retryAfter, want)
	}
}

// peerOf gives the addresses of different clients.
func peerOf(i int) string {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{100, byte(i >> 16), byte(i >> 8), byte(i)}), 1).String()
}

// fillWaits has as many answers held back as may be, and gives what waits for them.
func fillWaits(t *testing.T, ctx context.Context, server *kvconnect.Server) *sync.WaitGroup { //nolint:revive // t comes first
	t.Helper()
	const perPeer = int(maxDelay / time.Second)
	var all sync.WaitGroup
	for i := range maxWaits {
		peer := peerOf(i / perPeer)
		if i%perPeer == 0 {
			useUpBurst(t, server, peer)
		}
		all.Go(func() {
			if got := ask(ctx, server, guess, peer); got.Code == http.StatusTooManyRequests {
				t.Errorf("refused at once: %s", got.Body)
			}
		})
	}
	synctest.Wait()
	return &all
}

func TestBadTokensThatMayWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, _ := memoryServer(asIs)
		for range 2 { // the second time finds nothing of the first
			waiting := fillWaits(t, t.Context(), server)
			useUpBurst(t, server, attacker) // takes no part in it
			for range 3 {
				wantTooManyGuesses(t, ask(t.Context(), server, guess, attacker), "1", protocol.ErrInvalidAccessToken)
				wantTooManyGuesses(t, ask(t.Context(), server, mistypedPrefix+guess, attacker), "1", protocol.ErrTokenMistyped)
			}
			waiting.Wait()
			wantRefused(t, "with room to wait", ask(t.Context(), server, guess, "198.51.100.7:1"), 0)
			<-time.After(time.Minute)
		}
	})
}

// Whoever has a token does not wait for those that guess, though they have one address and
// everything is full.
func TestGoodTokensDoNotWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, _ := memoryServer(func(o *setup) {
			revoked := &access.Grant{DatabaseID: o.databaseID}
			revoked.Revoke()
			o.auth.admit("revoked", revoked)
		})
		waiting := fillWaits(t, t.Context(), server)
		useUpBurst(t, server, attacker)
		for _, peer := range []string{attacker, peerOf(0)} {
			for range 3 * burst {
				if got := ask(t.Context(), server, accessToken, peer); got.Code != http.StatusOK || got.after != 0 {
					t.Errorf("status %d after %v: %s", got.Code, got.after, got.Body)
				}
				// No guess either.
				for _, token := range []string{"revoked", ""} {
					if got := ask(t.Context(), server, token, peer); got.Code != http.StatusUnauthorized || got.after != 0 {
						t.Errorf("%q: status %d after %v: %s", token, got.Code, got.after, got.Body)
					}
				}
			}
		}
		waiting.Wait()
	})
}

// A client that goes away does not wait, and makes room.
func TestBadTokenGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, _ := memoryServer(asIs)
		useUpBurst(t, server, attacker)
		useUpBurst(t, server, "198.51.100.7:1")
		ctx, cancel := context.WithCancel(t.Context())
		waiting := fillWaits(t, ctx, server)
		wantTooManyGuesses(t, ask(t.Context(), server, guess, attacker), "1", protocol.ErrInvalidAccessToken)
		begun := time.Now()
		cancel()
		waiting.Wait()
		if waited := time.Since(begun); waited != 0 {
			t.Errorf("they waited for another %v", waited)
		}
		wantRefused(t, "once there is room", ask(t.Context(), server, guess, attacker), time.Second)
		ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		got := ask(ctx, server, guess, attacker)
		if got.Code != http.StatusServiceUnavailable || got.after != 300*time.Millisecond {
			t.Errorf("status %d after %v: %s", got.Code, got.after, got.Body)
		}
	})
}

// Who may choose from many addresses counts as one, and neighbours do not.
func TestBadTokensByNetwork(t *testing.T) {
	t.Parallel()
	const proxy = "10.0.0.1:1"
	type client struct {
		peer      string
		forwarded []string
	}
	for name, c := range map[string]struct {
		guesser, other client
		same           bool
	}{
		"ports":                      {client{"203.0.113.5:1", nil}, client{"203.0.113.5:2", nil}, true},
		"neighbours":                 {client{"203.0.113.5:1", nil}, client{"203.0.113.4:1", nil}, false},
		"IPv4 in IPv6":               {client{"203.0.113.5:1", nil}, client{"[::ffff:203.0.113.5]:1", nil}, true},
		"neighbours, in IPv6":        {client{"[::ffff:203.0.113.5]:1", nil}, client{"[::ffff:203.0.113.4]:1", nil}, false},
		"a network of IPv6":          {client{"[2001:db8:1:2::1]:1", nil}, client{"[2001:db8:1:2:ffff::2]:1", nil}, true},
		"networks of IPv6":           {client{"[2001:db8:1:2::1]:1", nil}, client{"[2001:db8:1:3::1]:1", nil}, false},
		"behind a proxy":             {client{proxy, []string{"203.0.113.5"}}, client{proxy, []string{"203.0.113.6"}}, false},
		"behind a proxy, the same":   {client{proxy, []string{"203.0.113.5"}}, client{"203.0.113.5:1", nil}, true},
		"behind two, lying":          {client{proxy, []string{"1.1.1.1, 203.0.113.5, 10.0.0.2"}}, client{proxy, []string{"2.2.2.2", "203.0.113.5"}}, true},
		"no proxy, lying":            {client{"203.0.113.5:1", []string{"1.1.1.1"}}, client{"203.0.113.5:1", []string{"2.2.2.2"}}, true},
		"behind a proxy, garbage":    {client{proxy, []string{"x"}}, client{proxy, []string{"y"}}, true},
		"without an address, but ok": {client{"@", nil}, client{"203.0.113.5:1", nil}, false},
		"without an address":         {client{"@", nil}, client{"pipe", nil}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server, _ := memoryServer(func(o *setup) {
					o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
				})
				for range burst {
					wantRefused(t, "within the burst", ask(t.Context(), server, guess, c.guesser.peer, c.guesser.forwarded...), 0)
				}
				want := time.Duration(0)
				if c.same {
					want = time.Second
				}
				wantRefused(t, "the other", ask(t.Context(), server, guess, c.other.peer, c.other.forwarded...), want)
			})
		})
	}
}

// Who keeps guessing is not forgotten over others, of whom only so many are remembered.
func TestBadTokensOfManyAddresses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, _ := memoryServer(asIs)
		next := 0
		others := func(n int) {
			for range n {
				ask(t.Context(), server, guess, peerOf(next))
				next++
			}
		}
		useUpBurst(t, server, attacker)
		const most = kvconnect.MaxBadTokenAddrs
		for range 5 {
			others(most - 1)
			wantRefused(t, "who keeps on", ask(t.Context(), server, guess, attacker), time.Second)
		}
		if n := server.BadTokenAddrs(); n > 2*most || n <= most {
			t.Errorf("%d addresses are remembered, want more than %d and at most %d", n, most, 2*most)
		}
		others(3 * most)
		wantRefused(t, "who was forgotten", ask(t.Context(), server, guess, attacker), 0)
		if n := server.BadTokenAddrs(); n > 2*most {
			t.Errorf("%d addresses are remembered, want at most %d", n, 2*most)
		}
	})
}

func TestBadTokensInTheLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &safeBuffer{}
		server, _ := memoryServer(func(o *setup) { o.Logger = slog.New(slog.NewTextHandler(log, nil)) })
		line := regexp.MustCompile(`msg="invalid access tokens keep coming" addr=203\.0\.113\.5 count=(\d+)\n`)
		useUpBurst(t, server, attacker)
		if log.String() != "" {
			t.Errorf("the log tells of a few:\n%s", log)
		}
		const minutes = 3
		begun, guesses := time.Now(), 0
		for i := 0; time.Since(begun) < minutes*time.Minute; i++ {
			ask(t.Context(), server, guess+strconv.Itoa(i), attacker)
			guesses++
			ask(t.Context(), server, accessToken, attacker)
		}
		lines := line.FindAllStringSubmatch(log.String(), -1)
		if len(lines) != minutes || strings.Count(log.String(), "\n") != minutes {
			t.Errorf("%d lines in %d minutes:\n%s", len(lines), minutes, log)
		}
		logged := 0
		for _, l := range lines {
			n, err := strconv.Atoi(l[1])
			if err != nil {
				t.Fatal(err)
			}
			logged += n
		}
		if logged > guesses || logged < guesses*(minutes-1)/minutes {
			t.Errorf("the log tells of %d guesses of %d", logged, guesses)
		}
		if strings.Contains(log.String(), "access-token") {
			t.Errorf("the log tells a token:\n%s", log)
		}
	})
}

// A token that is mistyped is slowed down as others are, and the text says what is wrong.
func TestMistypedTokensAreSlowedDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, _ := memoryServer(asIs)
		for i := range burst + 1 {
			got := ask(t.Context(), server, mistypedPrefix+guess, attacker)
			if late := got.after > 0; got.Code != http.StatusUnauthorized || late != (i == burst) || !strings.HasSuffix(got.Body.String(), protocol.ErrTokenMistyped.Error()) {
				t.Errorf("guess %d: status %d after %v: %s", i, got.Code, got.after, got.Body)
			}
		}
	})
}
