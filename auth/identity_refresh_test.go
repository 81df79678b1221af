package auth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/protocol"
)

// The tests in here that wait run in a bubble of synctest, where time passes when nothing
// else can happen, and where a goroutine that is left behind fails the test.

// verifies fails the test unless the token is valid, or invalid if want is not nil.
func verifies(t *testing.T, provider *auth.Provider, token string, want error) {
	t.Helper()
	if _, err := provider.Verify(t.Context(), token); !errors.Is(err, want) {
		t.Errorf("%v, want %v", err, want)
	}
}

// logOf gives a logger and what it has logged, a line for each message.
func logOf() (*slog.Logger, *bytes.Buffer) {
	var log bytes.Buffer
	return slog.New(slog.NewTextHandler(&log, nil)), &log
}

func TestKeysAreReadEveryQuarterOfAnHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		published := newPublisher(keySetOf(t, eddsa(t, "a")))
		published.open(t, nil)
		for want := 1; want <= 3; want++ {
			synctest.Wait()
			if got := published.asked(); got != want {
				t.Errorf("asked %d times, want %d", got, want)
			}
			<-time.After(auth.DefaultKeyRefreshInterval)
		}
	})
}

func TestKeysRotate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		before, after := eddsa(t, "before"), es256(t, "after")
		published := newPublisher(keySetOf(t, before))
		provider := published.open(t, nil)
		verifies(t, provider, before.token(t, time.Now()), nil)

		published.publish(keySetOf(t, before, after))
		verifies(t, provider, after.token(t, time.Now()), nil) // at once
		verifies(t, provider, before.token(t, time.Now()), nil)

		published.publish(keySetOf(t, after))
		verifies(t, provider, before.token(t, time.Now()), nil) // nobody has looked
		<-time.After(auth.DefaultKeyRefreshInterval + time.Second)
		verifies(t, provider, before.token(t, time.Now()), protocol.ErrInvalidAccessToken)
		verifies(t, provider, after.token(t, time.Now()), nil)
	})
}

func TestKnownKeysOutliveAnOutage(t *testing.T) {
	t.Parallel()
	known, unknown := eddsa(t, "known"), eddsa(t, "unknown")
	working := func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(keySetOf(t, known, unknown)) }
	for name, outage := range map[string]http.HandlerFunc{
		"status 500":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"status 404":     func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) },
		"nothing":        func(http.ResponseWriter, *http.Request) {},
		"a page":         func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "<html>secret") },
		"a list":         func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, `["secret"]`) },
		"an empty set":   func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, `{"keys":[]}`) },
		"no set":         func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, `{"error":"secret"}`) },
		"keys of no use": func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, `{"keys":[{"kty":"secret"},7]}`) },
		"a set too large": func(w http.ResponseWriter, r *http.Request) {
			working(w, r)
			_, _ = w.Write(bytes.Repeat([]byte(" "), 1<<20))
		},
		"no end of it":     func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"redirect forever": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/secret", http.StatusFound) },
		"bad redirect": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://secret%zz")
			w.WriteHeader(http.StatusFound)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				logger, log := logOf()
				published := newPublisher(keySetOf(t, known))
				provider := published.open(t, func(options *auth.ProviderOptions) { options.Logger = logger })

				published.replyWith(outage)
				<-time.After(2 * time.Hour)
				verifies(t, provider, known.token(t, time.Now()), nil)
				verifies(t, provider, unknown.token(t, time.Now()), protocol.ErrInvalidAccessToken)
				published.replyWith(working)
				<-time.After(2 * time.Hour)
				verifies(t, provider, known.token(t, time.Now()), nil)
				verifies(t, provider, unknown.token(t, time.Now()), nil)

				synctest.Wait()
				lines := strings.Split(strings.TrimSpace(log.String()), "\n")
				if len(lines) != 2 || !strings.Contains(lines[0], "level=WARN") || !strings.Contains(lines[1], "level=INFO") {
					t.Errorf("the log of one outage is not a warning and its end:\n%s", log)
				}
				if strings.Contains(log.String(), "secret") {
					t.Errorf("the log repeats the reply: %s", log)
				}
			})
		})
	}
}

func TestOutageIsOverSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		key := eddsa(t, "a")
		logger, log := logOf()
		published := newPublisher(nil)
		provider := published.open(t, func(options *auth.ProviderOptions) { options.Logger = logger })
		_, err := provider.Verify(t.Context(), key.token(t, time.Now()))
		if !errors.Is(err, protocol.ErrUnavailable) || !strings.Contains(err.Error(), "have not arrived yet") {
			t.Errorf("without any keys: %v", err)
		}
		published.publish(keySetOf(t, key))
		<-time.After(time.Minute + time.Second)
		verifies(t, provider, key.token(t, time.Now()), nil)
		synctest.Wait()
		if !strings.Contains(log.String(), "level=WARN") {
			t.Errorf("a start without keys is not logged: %s", log)
		}
	})
}

func TestUnknownKeysDoNotHammerTheProvider(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		key, unknown := eddsa(t, "a"), eddsa(t, "unknown")
		published := newPublisher(keySetOf(t, key))
		provider := published.open(t, nil)
		// Half a minute with a flood every second.
		for range 30 {
			var flood sync.WaitGroup
			for i := range 1000 / 30 {
				flood.Go(func() {
					stranger := unknown
					stranger.id = fmt.Sprint(i, time.Now())
					verifies(t, provider, stranger.token(t, time.Now()), protocol.ErrInvalidAccessToken)
				})
			}
			flood.Wait()
			<-time.After(time.Second)
		}
		if asked := published.asked(); asked != 2 {
			t.Errorf("asked %d times, want once at the start and once for all unknown keys", asked)
		}
		<-time.After(time.Minute)
		verifies(t, provider, unknown.token(t, time.Now()), protocol.ErrInvalidAccessToken)
		if asked := published.asked(); asked != 3 {
			t.Errorf("asked %d times after a minute more, want 3", asked)
		}
	})
}

func TestOtherIssuersCauseNoRefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		unknown := eddsa(t, "unknown")
		published := newPublisher(keySetOf(t, eddsa(t, "a")))
		provider := published.open(t, nil)
		claims := validClaims(time.Now(), nil)
		claims["iss"] = "https://other.example.com/"
		verifies(t, provider, unknown.sign(t, nil, claims), protocol.ErrInvalidAccessToken)
		if asked := published.asked(); asked != 1 {
			t.Errorf("asked %d times, want 1", asked)
		}
	})
}

func TestSlowProvider(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		known, unknown := eddsa(t, "known"), eddsa(t, "unknown")
		published := newPublisher(keySetOf(t, known))
		provider := published.open(t, nil)
		published.replyWith(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-time.After(8 * time.Second):
				_, _ = w.Write(keySetOf(t, known, unknown))
			}
		})
		start := time.Now()
		var waiting sync.WaitGroup
		for range 10 {
			waiting.Go(func() {
				verifies(t, provider, unknown.token(t, start), protocol.ErrInvalidAccessToken)
				if waited := time.Since(start); waited != 3*time.Second {
					t.Errorf("a token with an unknown key waited for %v, want 3s", waited)
				}
			})
		}
		waiting.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := provider.Verify(ctx, unknown.token(t, start)); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("after its context has ended: %v, want DeadlineExceeded", err)
			}
		})
		synctest.Wait()
		verifies(t, provider, known.token(t, start), nil)
		if waited := time.Since(start); waited != 0 {
			t.Errorf("a token with a known key waited for %v", waited)
		}
		waiting.Wait()
		<-time.After(6 * time.Second)
		verifies(t, provider, unknown.token(t, start), nil)
		if asked := published.asked(); asked != 2 {
			t.Errorf("asked %d times, want 2", asked)
		}
	})
}

func TestCloseWhileKeysAreRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		known, unknown := eddsa(t, "known"), eddsa(t, "unknown")
		logger, log := logOf()
		published := newPublisher(keySetOf(t, known))
		provider := published.open(t, func(options *auth.ProviderOptions) { options.Logger = logger })
		published.replyWith(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		start := time.Now()
		var waiting sync.WaitGroup
		waiting.Go(func() { verifies(t, provider, unknown.token(t, start), protocol.ErrInvalidAccessToken) })
		synctest.Wait()
		provider.Close()
		waiting.Wait()
		<-time.After(time.Minute)
		verifies(t, provider, known.token(t, start), nil)
		for range 2 {
			verifies(t, provider, unknown.token(t, start), protocol.ErrInvalidAccessToken)
		}
		if passed := time.Since(start); passed != time.Minute {
			t.Errorf("somebody waited for %v", passed-time.Minute)
		}
		if log.Len() > 0 {
			t.Errorf("the end is no outage: %s", log)
		}
	})
}

func TestOpenProviderGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		published := newPublisher(nil)
		published.replyWith(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := auth.OpenProvider(ctx, auth.ProviderOptions{
			JWKS: "https://login.example.com", Issuer: testIssuer, Audience: testAudience, Transport: published,
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want DeadlineExceeded", err)
		}
	})
}

func TestRefreshOutlivesTheContextOfOpenProvider(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		before, after := eddsa(t, "before"), eddsa(t, "after")
		published := newPublisher(keySetOf(t, before))
		ctx, cancel := context.WithCancel(t.Context())
		provider, err := auth.OpenProvider(ctx, auth.ProviderOptions{
			JWKS: "https://login.example.com", Issuer: testIssuer, Audience: testAudience, Transport: published,
		})
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		defer provider.Close()
		published.publish(keySetOf(t, after))
		<-time.After(auth.DefaultKeyRefreshInterval)
		verifies(t, provider, after.token(t, time.Now()), nil)
	})
}
