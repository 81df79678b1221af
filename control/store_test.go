package control_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/control"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// epoch is when the clocks of tests begin.
var epoch = time.Date(2030, 1, 2, 3, 4, 5, 678_000_000, time.UTC)

// clock is a clock that a test moves. The zero clock shows epoch.
type clock struct{ sinceEpoch atomic.Int64 }

func (c *clock) Now() time.Time          { return epoch.Add(time.Duration(c.sinceEpoch.Load())) }
func (c *clock) Advance(d time.Duration) { c.sinceEpoch.Add(int64(d)) }

func tempPath(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "control.sqlite")
}

// open opens the store at path, and closes it when the test ends.
func open(t testing.TB, path string, c *clock) *control.Store {
	t.Helper()
	store, err := control.Open(t.Context(), path, control.Options{Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStore(t, store) })
	return store
}

func closeStore(t testing.TB, store *control.Store) {
	t.Helper()
	if err := store.Close(); err != nil {
		t.Error(err)
	}
}

// withSQL runs SQL on a file that no store has open.
func withSQL(t *testing.T, path, query string) {
	t.Helper()
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), query)
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// hashOf gives the hash of an access token.
func hashOf(token string) auth.AccessTokenHash { return sha256.Sum256([]byte(token)) }

func newKey(id string, createdAt time.Time) auth.Key {
	seed := sha256.Sum256([]byte(id))
	return auth.Key{ID: id, Private: ed25519.NewKeyFromSeed(seed[:]), CreatedAt: createdAt}
}

func createDatabase(t testing.TB, store *control.Store, name string) control.Database {
	t.Helper()
	d, err := store.CreateDatabase(t.Context(), control.Database{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// createToken adds a token for reading, whose note is the token itself.
func createToken(t testing.TB, store *control.Store, databaseID uuid.UUID, token string) control.Token {
	t.Helper()
	created, err := store.CreateToken(t.Context(), control.NewToken{
		DatabaseID: databaseID, Scope: access.ScopeRead, Note: token, Hash: hashOf(token),
	})
	if err != nil {
		t.Fatal(err)
	}
	return created
}

func grantOf(t testing.TB, store *control.Store, token string) *access.Grant {
	t.Helper()
	grant, found := store.GrantByHash(hashOf(token))
	if !found {
		t.Fatalf("there is no grant of %q", token)
	}
	return grant
}

// content is all that a store shows of what is in it.
type content struct {
	Databases []control.Database
	Tokens    []control.Token
	Grants    map[string]grantContent // by access token
	Keys      []auth.Key
}

// grantContent is what a grant says.
type grantContent struct {
	Err        error
	DatabaseID uuid.UUID
	Scope      access.Scope
	ExpiresAt  time.Time
	LastUsed   time.Time
	// Token and Database are the limits in force.
	Token, Database access.Limits
}

// contentOf gives what is in the store, and the grants of the given access tokens as far as
// there are any.
func contentOf(store *control.Store, now time.Time, tokens ...string) content {
	c := content{Databases: store.Databases(), Tokens: store.Tokens(uuid.Nil), Grants: make(map[string]grantContent), Keys: store.Keys()}
	for _, token := range tokens {
		if grant, found := store.GrantByHash(hashOf(token)); found {
			c.Grants[token] = grantContent{
				Err: grant.Err(now), DatabaseID: grant.DatabaseID, Scope: grant.Scope, ExpiresAt: grant.ExpiresAt,
				LastUsed: grant.LastUsed().UTC(), Token: grant.Token.Limits(), Database: grant.Database.Limits(),
			}
		}
	}
	return c
}

func wantContent(t *testing.T, want, got content) {
	t.Helper()
	if diff := diffContents(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func diffContents(want, got content) string {
	return cmp.Diff(want, got, cmp.Comparer(func(a, b error) bool { return errors.Is(a, b) || errors.Is(b, a) }))
}

// filesIn gives what is in the files of a folder, by name.
func filesIn(t *testing.T, folder string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, entry := range entries {
		data, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil && !entry.IsDir() {
			t.Fatal(err)
		}
		files[entry.Name()] = string(data)
	}
	return files
}

func wantError(t *testing.T, err, want error, text string) {
	t.Helper()
	if !errors.Is(err, want) || !strings.Contains(err.Error(), text) {
		t.Errorf("the error is %v, want %v with %q", err, want, text)
	}
}

func TestReopen(t *testing.T) {
	t.Parallel()
	path, c := tempPath(t), new(clock)
	first := open(t, path, c)
	orders := createDatabase(t, first, "orders")
	empty, err := first.CreateDatabase(t.Context(), control.Database{
		ID: uuid.New(), Name: "empty", Limits: access.Limits{RequestsPerSecond: 0.5, Watches: 3, FileBytes: 1 << 40},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Advance(time.Hour)
	token, err := first.CreateToken(t.Context(), control.NewToken{
		DatabaseID: orders.ID, Scope: access.ScopeWrite, Note: "für Ada 🔑", ExpiresAt: c.Now().Add(time.Hour + 1),
		Limits: access.Limits{RequestsPerSecond: 7, Watches: 2}, Hash: hashOf("a"),
	})
	if err != nil {
		t.Fatal(err)
	}
	revoked := createToken(t, first, orders.ID, "b")
	if _, err := first.RevokeToken(t.Context(), revoked.ID); err != nil {
		t.Fatal(err)
	}
	gone := createDatabase(t, first, "gone")
	createToken(t, first, gone.ID, "c")
	if err := first.DeleteDatabase(t.Context(), gone.ID); err != nil {
		t.Fatal(err)
	}
	grantOf(t, first, "a").Use(c.Now())
	retired := newKey("k1", epoch)
	retired.RetiredAt = c.Now()
	if err := first.SaveKeys(t.Context(), []auth.Key{newKey("k2", c.Now().Add(time.Nanosecond)), retired}); err != nil {
		t.Fatal(err)
	}
	want := contentOf(first, c.Now(), "a", "b")
	if len(want.Databases) != 2 || want.Databases[0] != empty || len(want.Tokens) != 2 || want.Tokens[0].LastUsedAt.IsZero() {
		t.Fatalf("the store has %+v", want)
	}
	closeStore(t, first)

	second := open(t, path, c)
	wantContent(t, want, contentOf(second, c.Now(), "a", "b"))
	if grant, found := second.GrantByID(token.ID); !found || grant != grantOf(t, second, "a") {
		t.Errorf("by its id the grant is %v, %v", grant, found)
	}
	if grantOf(t, second, "a").Database != grantOf(t, second, "b").Database {
		t.Error("the tokens of a database do not share its meter")
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	c := new(clock)
	store := open(t, tempPath(t), c)
	d := createDatabase(t, store, "orders")
	createToken(t, store, d.ID, "a")
	closeStore(t, store)
	closeStore(t, store)
	for name, change := range changes(d.ID, store.Tokens(d.ID)[0].ID) {
		if err := change(t.Context(), store); !errors.Is(err, control.ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
	grantOf(t, store, "a") // what only looks goes on
}

// changes are all ways to change a store, given a database and a token of it.
func changes(databaseID uuid.UUID, tokenID string) map[string]func(context.Context, *control.Store) error {
	return map[string]func(context.Context, *control.Store) error{
		"CreateDatabase": func(ctx context.Context, s *control.Store) error {
			_, err := s.CreateDatabase(ctx, control.Database{Name: "new"})
			return err
		},
		"RenameDatabase": func(ctx context.Context, s *control.Store) error {
			_, err := s.RenameDatabase(ctx, databaseID, "renamed")
			return err
		},
		"SetDatabaseLimits": func(ctx context.Context, s *control.Store) error {
			_, err := s.SetDatabaseLimits(ctx, databaseID, access.Limits{FileBytes: 1})
			return err
		},
		"DeleteDatabase": func(ctx context.Context, s *control.Store) error { return s.DeleteDatabase(ctx, databaseID) },
		"CreateToken": func(ctx context.Context, s *control.Store) error {
			_, err := s.CreateToken(ctx, control.NewToken{DatabaseID: databaseID, Scope: access.ScopeWrite, Hash: hashOf("new")})
			return err
		},
		"RevokeToken": func(ctx context.Context, s *control.Store) error {
			_, err := s.RevokeToken(ctx, tokenID)
			return err
		},
		"SetTokenLimits": func(ctx context.Context, s *control.Store) error {
			_, err := s.SetTokenLimits(ctx, tokenID, access.Limits{Watches: 1})
			return err
		},
		"SaveKeys": func(ctx context.Context, s *control.Store) error {
			return s.SaveKeys(ctx, []auth.Key{newKey("new", epoch)})
		},
		"FlushLastUsed": func(ctx context.Context, s *control.Store) error {
			if grant, found := s.GrantByID(tokenID); found {
				grant.Use(epoch.Add(time.Hour))
			}
			return s.FlushLastUsed(ctx)
		},
	}
}
