package control_test

import (
	"context"
	"errors"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/control"
	"github.com/kvconnect/kvconnect/protocol"
)

func TestCreateToken(t *testing.T) {
	t.Parallel()
	c := new(clock)
	store := open(t, tempPath(t), c)
	d := createDatabase(t, store, "orders")
	limits := access.Limits{RequestsPerSecond: 2, Watches: 3}
	got, err := store.CreateToken(t.Context(), control.NewToken{
		DatabaseID: d.ID, Scope: access.ScopeWrite, Note: "for Ada", ExpiresAt: epoch.Add(time.Hour), Limits: limits, Hash: hashOf("a"),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := control.Token{
		ID: got.ID, DatabaseID: d.ID, Scope: access.ScopeWrite, Note: "for Ada", CreatedAt: epoch, ExpiresAt: epoch.Add(time.Hour), Limits: limits,
	}
	if got != want || !regexp.MustCompile(`^t_[0-9A-Za-z]{12}$`).MatchString(got.ID) {
		t.Errorf("created %+v, want %+v", got, want)
	}
	grant := grantOf(t, store, "a")
	if byID, found := store.GrantByID(got.ID); !found || byID != grant {
		t.Errorf("by its id there is %p, %v, want %p", byID, found, grant)
	}
	if grant.TokenID != got.ID || grant.DatabaseID != d.ID || !grant.Scope.MayWrite() || grant.Token.Limits() != limits {
		t.Errorf("it gives %+v", grant)
	}
	if err := grant.Err(epoch.Add(time.Hour - 1)); err != nil {
		t.Error(err)
	}
	c.Advance(time.Hour)
	wantError(t, grant.Err(c.Now()), protocol.ErrTokenExpired, "")
	if diff := cmp.Diff([]control.Token{want}, store.Tokens(d.ID)); diff != "" {
		t.Errorf("once it has expired, the tokens are (-want +got):\n%s", diff)
	}
}

func TestInvalidTokens(t *testing.T) {
	t.Parallel()
	store := open(t, tempPath(t), new(clock))
	d := createDatabase(t, store, "orders")
	createToken(t, store, d.ID, "known")
	for name, c := range map[string]struct {
		change func(*control.NewToken)
		want   error
	}{
		"as it should be":       {func(*control.NewToken) {}, nil},
		"a long note":           {func(n *control.NewToken) { n.Note = strings.Repeat("ä", 200) }, nil},
		"a longer note":         {func(n *control.NewToken) { n.Note = strings.Repeat("a", 201) }, control.ErrInvalidNote},
		"a note of two lines":   {func(n *control.NewToken) { n.Note = "a\nb" }, control.ErrInvalidNote},
		"a note with an escape": {func(n *control.NewToken) { n.Note = "\x1b[2J" }, control.ErrInvalidNote},
		"a note with a C1 code": {func(n *control.NewToken) { n.Note = "\u009b2J" }, control.ErrInvalidNote},
		"a note that is none":   {func(n *control.NewToken) { n.Note = "\xff" }, control.ErrInvalidNote},
		"no scope":              {func(n *control.NewToken) { n.Scope = "" }, access.ErrUnknownScope},
		"no database":           {func(n *control.NewToken) { n.DatabaseID = uuid.New() }, control.ErrNoDatabase},
		"a known token":         {func(n *control.NewToken) { n.Hash = hashOf("known") }, control.ErrTokenExists},
		"an impossible limit":   {func(n *control.NewToken) { n.Limits.RequestsPerSecond = math.Inf(1) }, access.ErrInvalidLimits},
		"a limit for databases": {func(n *control.NewToken) { n.Limits.FileBytes = 1 }, access.ErrInvalidLimits},
		"an early expiry":       {func(n *control.NewToken) { n.ExpiresAt = time.Unix(0, 0) }, nil},
		"an earlier expiry":     {func(n *control.NewToken) { n.ExpiresAt = time.Unix(-1, 0) }, control.ErrInvalidExpiry},
		"a late expiry":         {func(n *control.NewToken) { n.ExpiresAt = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC) }, nil},
		"a later expiry": {
			func(n *control.NewToken) { n.ExpiresAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, control.ErrInvalidExpiry,
		},
	} {
		n := control.NewToken{DatabaseID: d.ID, Scope: access.ScopeRead, Hash: hashOf(name)}
		c.change(&n)
		before := len(store.Tokens(uuid.Nil))
		_, err := store.CreateToken(t.Context(), n)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if created := len(store.Tokens(uuid.Nil)) - before; (created == 1) != (c.want == nil) {
			t.Errorf("%s: %d were created", name, created)
		}
	}
}

func TestTokensAreInTheOrderOfTheirCreation(t *testing.T) {
	t.Parallel()
	path, c := tempPath(t), new(clock)
	store := open(t, path, c)
	a, b := createDatabase(t, store, "a"), createDatabase(t, store, "b")
	for i, note := range []string{"1", "2", "3", "4", "5", "6"} { // all at the same time
		createToken(t, store, []uuid.UUID{a.ID, b.ID}[i%2], note)
	}
	notes := func(id uuid.UUID) string {
		var all strings.Builder
		for _, token := range store.Tokens(id) {
			all.WriteString(token.Note)
		}
		return all.String()
	}
	for range 2 {
		if all, ofA, ofB, ofNone := notes(uuid.Nil), notes(a.ID), notes(b.ID), notes(uuid.New()); all != "123456" || ofA != "135" || ofB != "246" || ofNone != "" {
			t.Errorf("the tokens are %q, %q, %q and %q", all, ofA, ofB, ofNone)
		}
		closeStore(t, store)
		store = open(t, path, c)
	}
	if err := store.DeleteDatabase(t.Context(), b.ID); err != nil { // with the youngest
		t.Fatal(err)
	}
	createToken(t, store, a.ID, "7")
	if all := notes(uuid.Nil); all != "1357" {
		t.Errorf("the tokens are %q", all)
	}
}

func TestRevokeToken(t *testing.T) {
	t.Parallel()
	path, c := tempPath(t), new(clock)
	store := open(t, path, c)
	d := createDatabase(t, store, "orders")
	token := createToken(t, store, d.ID, "a")
	createToken(t, store, d.ID, "b")
	grant := grantOf(t, store, "a")
	var listed []control.Token // as it is when the bearers are told
	grant.OnRevoke(func() { listed = store.Tokens(d.ID) })

	c.Advance(time.Minute)
	token.RevokedAt = c.Now()
	for range 2 {
		revoked, err := store.RevokeToken(t.Context(), token.ID)
		if err != nil || revoked != token {
			t.Errorf("revoked %+v, %v, want %+v", revoked, err, token)
		}
		c.Advance(time.Minute) // the second time changes nothing
	}
	wantError(t, grant.Err(c.Now()), protocol.ErrTokenRevoked, "")
	if len(listed) != 2 || listed[0] != token {
		t.Errorf("the bearers are told of %+v", listed)
	}
	if err := grantOf(t, store, "b").Err(c.Now()); err != nil {
		t.Errorf("the other token: %v", err)
	}
	_, err := store.RevokeToken(t.Context(), "t_absent")
	wantError(t, err, control.ErrNoToken, `revoke access token "t_absent"`)

	closeStore(t, store)
	store = open(t, path, c)
	wantError(t, grantOf(t, store, "a").Err(c.Now()), protocol.ErrTokenRevoked, "")
	if tokens := store.Tokens(d.ID); tokens[0] != token {
		t.Errorf("after reopening it is %+v, want %+v", tokens[0], token)
	}
}

func TestSetTokenLimits(t *testing.T) {
	t.Parallel()
	store := open(t, tempPath(t), new(clock))
	token := createToken(t, store, createDatabase(t, store, "orders").ID, "a")
	meter := grantOf(t, store, "a").Token
	token.Limits = access.Limits{RequestsPerSecond: 0.25, Watches: 4}
	if changed, err := store.SetTokenLimits(t.Context(), token.ID, token.Limits); err != nil || changed != token {
		t.Errorf("changed %+v, %v, want %+v", changed, err, token)
	}
	for _, invalid := range []access.Limits{{Watches: -1}, {FileBytes: 1}} {
		_, err := store.SetTokenLimits(t.Context(), token.ID, invalid)
		wantError(t, err, access.ErrInvalidLimits, "limits of access token")
	}
	_, err := store.SetTokenLimits(t.Context(), "t_absent", access.Limits{})
	wantError(t, err, control.ErrNoToken, "")
	if meter.Limits() != token.Limits {
		t.Errorf("the meter has the limits %+v", meter.Limits())
	}
}

// Hashes that are looked up in the same place are told apart.
func TestHashesThatBeginAlike(t *testing.T) {
	t.Parallel()
	path, c := tempPath(t), new(clock)
	store := open(t, path, c)
	d := createDatabase(t, store, "orders")
	first := hashOf("a")
	second, third := first, first
	second[31] ^= 1
	third[8] ^= 0x80
	for _, hash := range []auth.AccessTokenHash{first, second} {
		_, err := store.CreateToken(t.Context(), control.NewToken{DatabaseID: d.ID, Scope: access.ScopeRead, Hash: hash})
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		tokens := store.Tokens(d.ID)
		for i, hash := range []auth.AccessTokenHash{first, second} {
			if grant, found := store.GrantByHash(hash); !found || grant.TokenID != tokens[i].ID {
				t.Errorf("hash %d: %v, %v", i, grant, found)
			}
		}
		if grant, found := store.GrantByHash(third); found || grant != nil {
			t.Errorf("a hash that nobody has: %v, %v", grant, found)
		}
		closeStore(t, store)
		store = open(t, path, c)
	}
	if grant, found := store.GrantByID("t_absent"); found || grant != nil {
		t.Errorf("an id that nobody has: %v, %v", grant, found)
	}
}

func TestLastUsed(t *testing.T) {
	t.Parallel()
	path, c := tempPath(t), new(clock)
	store := open(t, path, c)
	d := createDatabase(t, store, "orders")
	createToken(t, store, d.ID, "a")
	createToken(t, store, d.ID, "b")
	want := func(a, b time.Time) {
		t.Helper()
		tokens := store.Tokens(d.ID)
		if !tokens[0].LastUsedAt.Equal(a) || !tokens[1].LastUsedAt.Equal(b) {
			t.Errorf("they were used %v and %v, want %v and %v", tokens[0].LastUsedAt, tokens[1].LastUsedAt, a, b)
		}
	}
	want(time.Time{}, time.Time{})
	grantOf(t, store, "a").Use(c.Now())
	want(epoch, time.Time{}) // at once
	commits := 0
	if err := store.OnCommit(func() bool { commits++; return true }); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := store.FlushLastUsed(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if commits != 1 {
		t.Errorf("one use was written in %d transactions", commits)
	}
	c.Advance(time.Hour)
	grantOf(t, store, "b").Use(c.Now())
	closeStore(t, store)
	store = open(t, path, c)
	want(epoch, c.Now())
	if got := grantOf(t, store, "b").LastUsed(); !got.Equal(c.Now()) {
		t.Errorf("its grant was used %v", got)
	}
}

func TestSaveKeys(t *testing.T) {
	t.Parallel()
	path, c := tempPath(t), new(clock)
	store := open(t, path, c)
	if keys := store.Keys(); len(keys) != 0 {
		t.Errorf("a new store has the keys %v", keys)
	}
	retired := newKey("z", epoch.Add(-time.Hour))
	retired.RetiredAt = epoch
	for _, ring := range [][]auth.Key{{retired, newKey("a", epoch)}, {newKey("b", epoch), newKey("a", epoch)}, {}, {newKey("c", epoch), retired}} {
		given := slices.Clone(ring)
		if err := store.SaveKeys(t.Context(), given); err != nil {
			t.Fatal(err)
		}
		for i := range given { // which are the caller's
			given[i].ID = "changed"
		}
		for range 2 {
			if diff := cmp.Diff(ring, store.Keys(), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("the keys are (-want +got):\n%s", diff)
			}
			closeStore(t, store)
			store = open(t, path, c)
		}
	}
	store.Keys()[0].Private[0] ^= 1 // which is the caller's too
	want := store.Keys()
	other := newKey("other", epoch)
	for text, invalid := range map[string][]auth.Key{
		"number 2 has no id": {other, {Private: other.Private}},
		"two have the id":    {other, other},
		`"short" is not`:     {{ID: "short", Private: other.Private[:32]}},
		`"none" is not`:      {{ID: "none"}},
		`"mixed" is not`:     {{ID: "mixed", Private: append(other.Private.Seed(), retired.Private[32:]...)}},
	} {
		wantError(t, store.SaveKeys(t.Context(), invalid), control.ErrInvalidKeys, text)
	}
	if diff := cmp.Diff(want, store.Keys()); diff != "" || !want[0].Private.Equal(newKey("c", epoch).Private) {
		t.Errorf("after mistakes the keys are (-want +got):\n%s", diff)
	}
}

func TestCanceledChange(t *testing.T) {
	t.Parallel()
	c := new(clock)
	store := open(t, tempPath(t), c)
	d := createDatabase(t, store, "orders")
	token := createToken(t, store, d.ID, "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	want := contentOf(store, c.Now(), "a")
	for name, change := range changes(d.ID, token.ID) {
		if name == "FlushLastUsed" {
			continue // what was used shows at once
		}
		if err := change(ctx, store); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		wantContent(t, want, contentOf(store, c.Now(), "a"))
	}
}
