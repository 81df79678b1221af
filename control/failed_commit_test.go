package control_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/control"
	"github.com/kvconnect/kvconnect/protocol"
)

// A change that fails, however it does, is neither in the file nor in the mirror, and
// succeeds when what made it fail is gone.
func TestFailedChanges(t *testing.T) {
	t.Parallel()
	var abort, lift strings.Builder
	for i, event := range []string{
		"delete on main.databases",    // after the tokens
		"insert on main.signing_keys", // after those before are deleted
		"insert on main.databases", "update on main.databases", "insert on main.tokens", "update on main.tokens",
	} {
		fmt.Fprintf(&abort, "create temp trigger t%d after %s begin select raise(abort, 'no'); end;", i, event)
		fmt.Fprintf(&lift, "drop trigger t%d;", i)
	}
	ways := map[string]struct {
		fail, recover func(*testing.T, *control.Store)
	}{
		"nothing can be written":   {executes("pragma query_only = on"), executes("pragma query_only = off")},
		"the last statement fails": {executes(abort.String()), executes(lift.String())},
		"the commit fails":         {commits(false), commits(true)},
	}
	for way, does := range ways {
		for name, change := range changes(uuid.Nil, "") {
			t.Run(way+"/"+name, func(t *testing.T) {
				t.Parallel()
				path, c := tempPath(t), new(clock)
				store := open(t, path, c)
				d := createDatabase(t, store, "orders")
				token := createToken(t, store, d.ID, "a")
				if err := store.SaveKeys(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
				change = changes(d.ID, token.ID)[name]
				grant := grantOf(t, store, "a")
				if name == "FlushLastUsed" {
					grant.Use(epoch.Add(time.Hour)) // which shows whether it is written or not
				}
				want := contentOf(store, c.Now(), "a", "new")

				does.fail(t, store)
				err := change(t.Context(), store)
				if err == nil {
					t.Fatal("it succeeded")
				}
				if name == "RevokeToken" {
					wantError(t, err, control.ErrRevocationNotKept, "revoke it once more")
					a := want.Grants["a"]
					a.Err = protocol.ErrTokenRevoked
					want.Grants["a"] = a
				}
				wantContent(t, want, contentOf(store, c.Now(), "a", "new"))
				if grantOf(t, store, "a") != grant {
					t.Error("the token has another grant")
				}
				does.recover(t, store)
				if err := change(t.Context(), store); err != nil {
					t.Fatal(err)
				}
				want = contentOf(store, c.Now(), "new")
				closeStore(t, store)
				store = open(t, path, c)
				wantContent(t, want, contentOf(store, c.Now(), "new"))
			})
		}
	}
}

func executes(query string) func(*testing.T, *control.Store) {
	return func(t *testing.T, store *control.Store) {
		t.Helper()
		if err := store.Exec(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
}

func commits(succeed bool) func(*testing.T, *control.Store) {
	return func(t *testing.T, store *control.Store) {
		t.Helper()
		if err := store.OnCommit(func() bool { return succeed }); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	path, c := tempPath(t), new(clock)
	store := open(t, path, c)
	d := createDatabase(t, store, "orders")
	executes("pragma max_page_count = 20")(t, store)
	var tokens []string
	var err error
	for i := 0; err == nil; i++ {
		tokens = append(tokens, strconv.Itoa(i))
		_, err = store.CreateToken(t.Context(), control.NewToken{
			DatabaseID: d.ID, Scope: access.ScopeRead, Note: strings.Repeat("x", 200), Hash: hashOf(tokens[i]),
		})
	}
	wantError(t, err, err, "make room on the disk")
	want := contentOf(store, c.Now(), tokens...)
	if len(want.Tokens) != len(tokens)-1 || len(want.Grants) != len(tokens)-1 {
		t.Errorf("of %d tokens there are %d, and %d grants", len(tokens), len(want.Tokens), len(want.Grants))
	}
	closeStore(t, store)
	store = open(t, path, c)
	wantContent(t, want, contentOf(store, c.Now(), tokens...))
	createToken(t, store, d.ID, tokens[len(tokens)-1])
}

func TestCloseThatFailsGivesTheFileFree(t *testing.T) {
	t.Parallel()
	path, c := tempPath(t), new(clock)
	store := open(t, path, c)
	createToken(t, store, createDatabase(t, store, "orders").ID, "a")
	grantOf(t, store, "a").Use(c.Now())
	commits(false)(t, store)
	if err := store.Close(); err == nil {
		t.Error("what could not be written was closed")
	}
	store = open(t, path, c)
	if last := grantOf(t, store, "a").LastUsed(); !last.IsZero() {
		t.Errorf("the token was used %v", last)
	}
}

// While the disk is slow, whoever comes with a token is served, and a revocation that is
// not durable yet is told to nobody.
func TestSlowCommitKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	c := new(clock)
	store := open(t, tempPath(t), c)
	d := createDatabase(t, store, "orders")
	token := createToken(t, store, d.ID, "a")
	grant := grantOf(t, store, "a")
	entered, release := make(chan struct{}), make(chan struct{})
	err := store.OnCommit(func() bool {
		close(entered)
		<-release
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	revoked := make(chan error)
	go func() {
		_, err := store.RevokeToken(t.Context(), token.ID)
		revoked <- err
	}()
	<-entered
	for name, read := range map[string]func() bool{
		"GrantByHash":  func() bool { _, found := store.GrantByHash(hashOf("a")); return found },
		"GrantByID":    func() bool { _, found := store.GrantByID(token.ID); return found },
		"Database":     func() bool { _, found := store.Database("orders"); return found },
		"FindDatabase": func() bool { _, found := store.FindDatabase("orders"); return found },
		"Databases":    func() bool { return len(store.Databases()) == 1 },
		"Tokens":       func() bool { tokens := store.Tokens(d.ID); return len(tokens) == 1 && tokens[0] == token },
		"Keys":         func() bool { return len(store.Keys()) == 0 },
	} {
		if !read() {
			t.Errorf("%s does not give what there was before", name)
		}
	}
	if err := grant.Err(c.Now()); err != nil {
		t.Errorf("before it is durable the grant says: %v", err)
	}
	close(release)
	if err := <-revoked; err != nil {
		t.Error(err)
	}
	if err := grant.Err(c.Now()); !errors.Is(err, protocol.ErrTokenRevoked) {
		t.Errorf("afterwards the grant says: %v", err)
	}
}
