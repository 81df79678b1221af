package admin_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/admin"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/datadir"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const adminToken = "an-admin-token-of-some-length"

var epoch = time.Date(2030, 1, 2, 3, 4, 5, 678_000_000, time.UTC)

func now() time.Time { return epoch }

// logged is what was logged. It is safe for concurrent use.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// listener is an admin listener on a folder of its own.
type listener struct {
	dir    *datadir.Dir
	local  *admin.Local
	client *admin.Client
	url    string
	log    *logged
}

func newListener(t *testing.T) *listener {
	t.Helper()
	l := &listener{log: new(logged)}
	logger := slog.New(slog.NewTextHandler(l.log, nil))
	var err error
	l.dir, err = datadir.Open(t.Context(), datadir.Options{
		Path: filepath.Join(t.TempDir(), "data"), Create: true, Now: now, Logger: logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.dir.Close(); err != nil {
			t.Error(err)
		}
	})
	l.local = admin.NewLocal(l.dir, now)
	l.url = serve(t, l.local, logger)
	l.client = newClient(t, l.url)
	return l
}

// serve gives the URL of an admin listener with these operations.
func serve(t *testing.T, operations admin.Operations, logger *slog.Logger) (url string) {
	t.Helper()
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			w.WriteHeader(http.StatusNotFound)
		}
	})
	server := httptest.NewServer(admin.NewHandler(operations, adminToken, next, logger))
	t.Cleanup(server.Close)
	return server.URL
}

func newClient(t *testing.T, url string) *admin.Client {
	t.Helper()
	client, err := admin.NewClient(url, adminToken)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

func ptr[T any](value T) *T { return &value }

// must gives a value without an error.
func must[T any](value T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func wantEqual(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// newSource makes a file of the one-database mode.
func newSource(t *testing.T) (path string, id uuid.UUID) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "one.sqlite")
	backend, err := sqlitebackend.Open(sqlitebackend.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	_, err = backend.AtomicWrite(t.Context(), protocol.AtomicWrite{Mutations: []protocol.Mutation{{
		Type: protocol.MutationSet, Key: []byte{1}, Value: protocol.U64Value(7),
	}}})
	if err := errors.Join(err, backend.Close()); err != nil {
		t.Fatal(err)
	}
	return path, backend.DatabaseID()
}

// What is done over HTTP is done to the folder, and tells the same as on the folder itself.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	l := newListener(t)
	ctx := t.Context()
	wantEqual(t, "no databases", must(l.client.Databases(ctx))(t), must(l.local.Databases(ctx))(t))

	limits := admin.Limits{RequestsPerSecond: 2.5, Watches: 3, FileBytes: 1 << 40}
	// "adopt" is a word in a path too.
	created := must(l.client.CreateDatabase(ctx, admin.CreateDatabase{Name: "adopt", Limits: limits}))(t)
	wantEqual(t, "created", created, admin.Database{ID: created.ID, Name: "adopt", CreatedAt: epoch, Limits: limits})
	wantEqual(t, "databases", must(l.client.Databases(ctx))(t), []admin.Database{created})
	wantEqual(t, "databases on the folder", must(l.local.Databases(ctx))(t), []admin.Database{created})

	changed := must(l.client.ChangeDatabase(ctx, "adopt", admin.ChangeDatabase{
		Name: ptr("orders"), Limits: admin.ChangeLimits{Watches: ptr(0), RequestsPerSecond: ptr(5.0)},
	}))(t)
	want := created
	want.Name, want.Limits = "orders", admin.Limits{RequestsPerSecond: 5, FileBytes: 1 << 40}
	wantEqual(t, "changed", changed, want)
	wantEqual(t, "changed by its id to nothing else", must(l.client.ChangeDatabase(ctx, created.ID.String(), admin.ChangeDatabase{}))(t), want)

	source, id := newSource(t)
	adopted := must(l.client.AdoptDatabase(ctx, admin.AdoptDatabase{
		Path: source, Name: "stats", Limits: limits, AccessTokenSHA256: strings.Repeat("ab", 32),
	}))(t)
	wantEqual(t, "adopted", adopted.Database, admin.Database{ID: id, Name: "stats", CreatedAt: epoch, Limits: limits})
	wantEqual(t, "adopted tokens", adopted.Tokens, must(l.local.Tokens(ctx, "stats"))(t))

	expiresAt := epoch.Add(time.Hour)
	token := must(l.client.CreateToken(ctx, admin.CreateToken{
		Database: "orders", Scope: "read", Note: "the shop, ünïcode", ExpiresAt: &expiresAt, Limits: admin.Limits{Watches: 1},
	}))(t)
	wantEqual(t, "token", token.Token, admin.Token{
		ID: token.Token.ID, DatabaseID: created.ID, Database: "orders", Scope: "read", Note: "the shop, ünïcode",
		CreatedAt: epoch, ExpiresAt: &expiresAt, Limits: admin.Limits{Watches: 1},
	})
	if !strings.HasPrefix(token.AccessToken, "kvc_") || len(token.AccessToken) != 53 {
		t.Errorf("the access token has %d characters", len(token.AccessToken))
	}
	wantEqual(t, "tokens", must(l.client.Tokens(ctx, "orders"))(t), []admin.Token{token.Token})
	wantEqual(t, "all tokens", must(l.client.Tokens(ctx, ""))(t), append(adopted.Tokens, token.Token))
	limited := must(l.client.ChangeToken(ctx, token.Token.ID, admin.ChangeToken{Limits: admin.ChangeLimits{RequestsPerSecond: ptr(0.5)}}))(t)
	wantEqual(t, "limited", limited.Limits, admin.Limits{RequestsPerSecond: 0.5, Watches: 1})
	wantEqual(t, "limited on the folder", must(l.local.Tokens(ctx, "orders"))(t), []admin.Token{limited})

	stats := must(l.client.DatabaseStats(ctx, "stats"))(t)
	wantEqual(t, "statistics", stats, must(l.local.DatabaseStats(ctx, id.String()))(t))
	if stats.Keys != 1 || stats.Tokens != 1 || stats.FileBytes == 0 || stats.Database.ID != id {
		t.Errorf("statistics %+v", stats)
	}

	revoked := must(l.client.RevokeToken(ctx, token.Token.ID))(t)
	wantEqual(t, "revoked", revoked.RevokedAt, &epoch)
	wantEqual(t, "revoked once more", must(l.client.RevokeToken(ctx, token.Token.ID))(t), revoked)
	if stats := must(l.client.DatabaseStats(ctx, "orders"))(t); stats.Tokens != 0 {
		t.Errorf("%d tokens are valid", stats.Tokens)
	}

	keys := must(l.client.Keys(ctx))(t)
	wantEqual(t, "keys", keys, must(l.local.Keys(ctx))(t))
	rotated := must(l.client.RotateKeys(ctx, admin.RotateKeys{}))(t)
	if len(rotated) != 2 || rotated[0].ID != keys[0].ID || rotated[0].RetiredAt == nil || rotated[1].RetiredAt != nil {
		t.Errorf("rotated: %+v", rotated)
	}
	public := must(l.client.PublicKeys(ctx))(t)
	wantEqual(t, "public keys", public, must(l.local.PublicKeys(ctx))(t))
	if strings.Contains(string(public), `"d"`) || strings.Count(string(public), `"kid"`) != 2 {
		t.Errorf("public keys: %s", public)
	}
	dropped := must(l.client.RotateKeys(ctx, admin.RotateKeys{DropOld: true}))(t)
	wantEqual(t, "one key is left", must(l.local.Keys(ctx))(t), dropped)

	deleted := must(l.client.DeleteDatabase(ctx, "stats"))(t)
	wantEqual(t, "deleted", deleted, admin.DeletedDatabase{
		Database: adopted.Database, Path: deleted.Path, KeptUntil: epoch.Add(datadir.DefaultTrashRetention), RevokedTokens: 1,
	})
	wantEqual(t, "one is left", must(l.client.Databases(ctx))(t), []admin.Database{want})
	if log := l.log.String(); log != "" {
		t.Errorf("it logged %s", log)
	}
}

// Of two who change different limits at the same time, none undoes what the other does.
func TestLimitsAtTheSameTime(t *testing.T) {
	t.Parallel()
	l := newListener(t)
	must(l.client.CreateDatabase(t.Context(), admin.CreateDatabase{Name: "orders"}))(t)
	token := must(l.client.CreateToken(t.Context(), admin.CreateToken{Database: "orders", Scope: "read"}))(t).Token.ID
	for n := 1; n <= 10; n++ {
		var changes sync.WaitGroup
		for _, limits := range []admin.ChangeLimits{{Watches: ptr(n)}, {RequestsPerSecond: ptr(float64(n))}} {
			changes.Go(func() {
				_, err := l.client.ChangeDatabase(t.Context(), "orders", admin.ChangeDatabase{Limits: limits})
				_, tokenErr := l.client.ChangeToken(t.Context(), token, admin.ChangeToken{Limits: limits})
				if err := errors.Join(err, tokenErr); err != nil {
					t.Error(err)
				}
			})
		}
		changes.Wait()
		want := admin.Limits{Watches: n, RequestsPerSecond: float64(n)}
		wantEqual(t, "of the database", must(l.local.Databases(t.Context()))(t)[0].Limits, want)
		wantEqual(t, "of the token", must(l.local.Tokens(t.Context(), ""))(t)[0].Limits, want)
	}
}

// A change is made as a whole or not at all.
func TestChangeIsNotSplit(t *testing.T) {
	t.Parallel()
	l := newListener(t)
	must(l.client.CreateDatabase(t.Context(), admin.CreateDatabase{Name: "orders"}))(t)
	_, err := l.client.ChangeDatabase(t.Context(), "orders", admin.ChangeDatabase{
		Name: ptr("sales"), Limits: admin.ChangeLimits{Watches: ptr(-1)},
	})
	if err == nil || !strings.Contains(err.Error(), "invalid limits") {
		t.Errorf("%v, want invalid limits", err)
	}
	if _, found := l.dir.Control().FindDatabase("orders"); !found {
		t.Error("the database was renamed")
	}
}
