package auth_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/protocol"
)

const (
	masterToken   = "the-master-token"
	externalToken = "eyJhbGciOiJFUzI1NiJ9.e30.AAAA"
)

// verifierFunc is an IdentityVerifier.
type verifierFunc func(token string) (auth.Identity, error)

func (f verifierFunc) Verify(_ context.Context, token string) (auth.Identity, error) { return f(token) }

// vouchFor gives a verifier that knows externalToken.
func vouchFor(identity *auth.Identity) auth.IdentityVerifier {
	return verifierFunc(func(token string) (auth.Identity, error) {
		if token != externalToken {
			return auth.Identity{}, protocol.ErrInvalidAccessToken
		}
		return *identity, nil
	})
}

// world is an authority and what it knows.
type world struct {
	clock          *clock
	registry       *memoryRegistry
	orders, other  auth.Database
	options        auth.Options
	key            auth.Key
	identity       *auth.Identity
	token          string // of scope read for orders
	registeredRead *access.Grant
}

// newWorld gives a server with two databases and all kinds of tokens.
func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{clock: newClock(), registry: newMemoryRegistry(), key: auth.GenerateKey(startOfClocks)}
	w.orders, w.other = w.registry.addDatabase("orders"), w.registry.addDatabase("default")
	w.token, w.registeredRead = w.registry.addToken(t, "t_read", w.orders, access.ScopeRead, time.Time{})
	w.identity = &auth.Identity{ID: "x_somebody", Database: "orders", Scope: access.ScopeRead, ExpiresAt: startOfClocks.Add(time.Hour)}
	master := hashOf(t, masterToken)
	w.options = auth.Options{
		Registry: w.registry, Keys: ringOf(t, w.key), Master: &master,
		Identity: vouchFor(w.identity), Now: w.clock.Now,
	}
	return w
}

func TestAccessTokensThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := auth.New(w.options)
	revokedToken, revoked := w.registry.addToken(t, "t_revoked", w.orders, access.ScopeWrite, time.Time{})
	revoked.Revoke()
	expiredToken, _ := w.registry.addToken(t, "t_expired", w.orders, access.ScopeWrite, startOfClocks)
	dataPathToken, _ := issue(t, a, w.registeredRead)
	for name, c := range map[string]struct {
		token, database string
		want            error
	}{
		"none":                         {"", "", protocol.ErrInvalidAccessToken},
		"unknown":                      {"abcdefghijkl", "", protocol.ErrInvalidAccessToken},
		"unknown, generated":           {auth.GenerateAccessToken(), "", protocol.ErrInvalidAccessToken},
		"unknown, generated earlier":   {"kvc_" + strings.Repeat("x", 43), "", protocol.ErrInvalidAccessToken},
		"unknown, of another issuer":   {externalToken + "A", "", protocol.ErrInvalidAccessToken},
		"a data path token":            {dataPathToken, "", protocol.ErrInvalidAccessToken},
		"the id of a token":            {"t_read", "", protocol.ErrInvalidAccessToken},
		"very long":                    {strings.Repeat("a", 1<<20), "", protocol.ErrInvalidAccessToken},
		"master in upper case":         {strings.ToUpper(masterToken), "", protocol.ErrInvalidAccessToken},
		"cut off":                      {w.token[:len(w.token)-1], "", protocol.ErrTokenMistyped},
		"revoked":                      {revokedToken, "", protocol.ErrTokenRevoked},
		"revoked, of another database": {revokedToken, "default", protocol.ErrTokenRevoked},
		"expired":                      {expiredToken, "orders", protocol.ErrTokenExpired},
	} {
		if grant, err := a.Authorize(t.Context(), c.token, c.database); grant != nil || !errors.Is(err, c.want) {
			t.Errorf("%s: %v, %v; want %v", name, grant, err, c.want)
		}
	}
}

// A token says nothing of databases that it is not for: not by the error, and not by the
// time that a look at them takes.
func TestForbiddenDatabasesAreLikeUnknownOnes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := auth.New(w.options)
	for name, token := range map[string]string{"registered": w.token, "external": externalToken} {
		for _, own := range []string{"", "orders", w.orders.ID.String(), strings.ToUpper(w.orders.ID.String())} {
			w.registry.databasesAskedFor()
			if grant := authorize(t, a, token, own); grant.DatabaseID != w.orders.ID {
				t.Errorf("%s, own database as %q: granted %v", name, own, grant.DatabaseID)
			}
		}
		lookups := w.registry.databasesAskedFor()[:1]
		for kind, asked := range map[string]string{
			"unknown name as long as an id": strings.Repeat("x", 36), "forbidden name": "default", "forbidden id": w.other.ID.String(), "forbidden id in upper case": strings.ToUpper(w.other.ID.String()),
			"unknown name": "nobody", "unknown id": uuid.NewString(), "own name in upper case": "ORDERS",
			"own id in braces": "{" + w.orders.ID.String() + "}", "own id without hyphens": strings.ReplaceAll(w.orders.ID.String(), "-", ""),
		} {
			_, err := a.Authorize(t.Context(), token, asked)
			if !errors.Is(err, protocol.ErrUnknownDatabase) || err.Error() != protocol.ErrUnknownDatabase.Error() {
				t.Errorf("%s, %s: %v, want ErrUnknownDatabase and no other word", name, kind, err)
			}
			if got := w.registry.databasesAskedFor(); !slices.Equal(got, lookups) {
				t.Errorf("%s, %s: looked up %v, want the own database %v alone", name, kind, got, lookups)
			}
		}
	}
}

func TestRegisteredTokensShareTheirGrant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := auth.New(w.options)
	for range 2 {
		if grant := authorize(t, a, w.token, ""); grant != w.registeredRead {
			t.Errorf("got another grant than the registered one")
		}
	}
	if got := w.registeredRead.LastUsed(); !got.Equal(startOfClocks) {
		t.Errorf("last used at %v, want %v", got, startOfClocks)
	}
}

func TestTheMasterTokenOpensEveryDatabase(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := auth.New(w.options)
	grants := make(map[string]*access.Grant)
	for asked, want := range map[string]auth.Database{
		"": w.other, "default": w.other, w.other.ID.String(): w.other, strings.ToUpper(w.other.ID.String()): w.other,
		"orders": w.orders, w.orders.ID.String(): w.orders,
	} {
		grant := authorize(t, a, masterToken, asked)
		if grant.DatabaseID != want.ID || grant.Scope != access.ScopeWrite || grant.Database != want.Meter {
			t.Errorf("asked for %q: a grant of scope %s in %v", asked, grant.Scope, grant.DatabaseID)
		}
		if known := grants[want.Name]; known != nil && known != grant {
			t.Errorf("%s has two grants", want.Name)
		}
		grants[want.Name] = grant
	}
	if grants["orders"].TokenID != grants["default"].TokenID || !strings.HasPrefix(grants["orders"].TokenID, "m_") {
		t.Errorf("the ids are %s and %s", grants["orders"].TokenID, grants["default"].TokenID)
	}
	for _, asked := range []string{"nobody", uuid.NewString()} {
		if _, err := a.Authorize(t.Context(), masterToken, asked); !errors.Is(err, protocol.ErrUnknownDatabase) {
			t.Errorf("asked for %q: %v, want ErrUnknownDatabase", asked, err)
		}
	}
	w.registry.deleteDatabase(w.other.ID)
	if _, err := a.Authorize(t.Context(), masterToken, ""); !errors.Is(err, protocol.ErrUnknownDatabase) {
		t.Errorf("no default database: %v, want ErrUnknownDatabase", err)
	}
}

func TestKnownAccessTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	authority := auth.New(w.options)
	w.registeredRead.Revoke()
	for word, want := range map[string]bool{
		masterToken: true, w.token: true, // although it was revoked
		"": false, masterToken + "x": false, externalToken: false, "t_read": false,
	} {
		if got := authority.KnowsAccessToken(word); got != want {
			t.Errorf("%q is an access token: %v, want %v", word, got, want)
		}
	}
	w.options.Master = nil
	if auth.New(w.options).KnowsAccessToken(masterToken) {
		t.Error("there is no master token")
	}
}

func TestNoMasterToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.options.Master = nil
	a := auth.New(w.options)
	for _, token := range []string{masterToken, ""} {
		if _, err := a.Authorize(t.Context(), token, "orders"); !errors.Is(err, protocol.ErrInvalidAccessToken) {
			t.Errorf("token %q: %v, want ErrInvalidAccessToken", token, err)
		}
	}
}

func TestIdentitiesShareTheirGrants(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := auth.New(w.options)
	grant := authorize(t, a, externalToken, "")
	if grant.TokenID != "x_somebody" || grant.Scope != access.ScopeRead || !grant.ExpiresAt.Equal(w.identity.ExpiresAt) || grant.Database != w.orders.Meter {
		t.Errorf("granted %s %s until %v", grant.TokenID, grant.Scope, grant.ExpiresAt)
	}
	w.identity.Database = strings.ToUpper(w.orders.ID.String()) // as the provider may write it
	if got := authorize(t, a, externalToken, "orders"); got != grant {
		t.Error("the same identity got another grant")
	}
	for name, change := range map[string]func(*auth.Identity){
		"another subject":  func(i *auth.Identity) { i.ID = "x_another" },
		"another database": func(i *auth.Identity) { i.Database = "default" },
		"another scope":    func(i *auth.Identity) { i.Scope = access.ScopeWrite },
		"another expiry":   func(i *auth.Identity) { i.ExpiresAt = i.ExpiresAt.Add(time.Second) },
		"no expiry":        func(i *auth.Identity) { i.ExpiresAt = time.Time{} },
	} {
		before := *w.identity
		change(w.identity)
		if got := authorize(t, a, externalToken, ""); got == grant {
			t.Errorf("%s got the same grant", name)
		}
		*w.identity = before
	}
}

func TestIdentitiesThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*auth.Identity)
		want   error
	}{
		"expired":            {func(i *auth.Identity) { i.ExpiresAt = startOfClocks }, protocol.ErrTokenExpired},
		"expired long ago":   {func(i *auth.Identity) { i.ExpiresAt = time.Unix(0, 0) }, protocol.ErrTokenExpired},
		"unknown database":   {func(i *auth.Identity) { i.Database = "nobody" }, protocol.ErrUnknownDatabase},
		"no database":        {func(i *auth.Identity) { i.Database = "" }, protocol.ErrUnknownDatabase},
		"unknown scope":      {func(i *auth.Identity) { i.Scope = "admin" }, auth.ErrUnsoundIdentity},
		"no scope":           {func(i *auth.Identity) { i.Scope = "" }, auth.ErrUnsoundIdentity},
		"id of a registered": {func(i *auth.Identity) { i.ID = "t_read" }, auth.ErrUnsoundIdentity},
		"id of the master":   {func(i *auth.Identity) { i.ID = "m_0000000000000000" }, auth.ErrUnsoundIdentity},
		"no id":              {func(i *auth.Identity) { i.ID = "" }, auth.ErrUnsoundIdentity},
		"empty id":           {func(i *auth.Identity) { i.ID = "x_" }, auth.ErrUnsoundIdentity},
		"id with a quote":    {func(i *auth.Identity) { i.ID = `x_a"` }, auth.ErrUnsoundIdentity},
		"id too long":        {func(i *auth.Identity) { i.ID = longIdentityID() + "a" }, auth.ErrUnsoundIdentity},
	} {
		w := newWorld(t)
		c.change(w.identity)
		if _, err := auth.New(w.options).Authorize(t.Context(), externalToken, ""); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	w := newWorld(t)
	w.options.Identity = nil
	if _, err := auth.New(w.options).Authorize(t.Context(), externalToken, ""); !errors.Is(err, protocol.ErrInvalidAccessToken) {
		t.Errorf("without a verifier: %v, want ErrInvalidAccessToken", err)
	}
}

func longIdentityID() string { return "x_" + strings.Repeat("a", auth.MaxIdentityIDBytes-2) }

// The verifier may ask somebody else, who is not to be asked for each wrong token, and gets
// to see none of ours.
func TestOnlyForeignTokensReachTheVerifier(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var seen []string
	w.options.Identity = verifierFunc(func(token string) (auth.Identity, error) {
		seen = append(seen, token)
		return auth.Identity{}, protocol.ErrInvalidAccessToken
	})
	master := hashOf(t, "eyJ.looks.likeone")
	w.options.Master = &master
	a := auth.New(w.options)
	for _, token := range []string{w.token, "eyJ.looks.likeone", auth.GenerateAccessToken(), "a.b.c", "eyJ", "eyJa.b", "eyJa.b.c.d", "eyJa.b.c"} {
		if _, err := a.Authorize(t.Context(), token, ""); err != nil && !errors.Is(err, protocol.ErrInvalidAccessToken) {
			t.Errorf("%s: %v", token, err)
		}
	}
	if want := []string{"eyJa.b.c"}; !slices.Equal(seen, want) {
		t.Errorf("the verifier saw %q, want %q", seen, want)
	}
}

func TestForgetDatabaseRevokesWhatIsNotRegistered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := auth.New(w.options)
	tokens := make(map[string]*access.Grant)
	for _, c := range []struct{ token, database string }{{masterToken, "orders"}, {externalToken, ""}, {w.token, ""}} {
		grant := authorize(t, a, c.token, c.database)
		token, _ := issue(t, a, grant)
		tokens[token] = grant
	}
	verify := func(token string) error {
		_, err := a.VerifyDataPathToken(token)
		return err
	}
	kept := authorize(t, a, masterToken, "default")
	keptToken, _ := issue(t, a, kept)
	w.identity.Database = "default"
	keptExternal := authorize(t, a, externalToken, "")
	w.identity.Database = "orders"
	for token := range tokens {
		if err := verify(token); err != nil {
			t.Fatal(err)
		}
	}

	w.registry.deleteDatabase(w.orders.ID)
	a.ForgetDatabase(w.orders.ID)
	for token, grant := range tokens {
		if err := grant.Err(startOfClocks); !errors.Is(err, protocol.ErrTokenRevoked) {
			t.Errorf("%s: the grant: %v, want ErrTokenRevoked", grant.TokenID, err)
		}
		if err := verify(token); !errors.Is(err, protocol.ErrInvalidDataPathToken) && !errors.Is(err, protocol.ErrTokenRevoked) {
			t.Errorf("%s: the data path token: %v", grant.TokenID, err)
		}
	}
	for _, token := range []string{masterToken, externalToken} {
		if _, err := a.Authorize(t.Context(), token, "orders"); !errors.Is(err, protocol.ErrUnknownDatabase) {
			t.Errorf("%s: %v, want ErrUnknownDatabase", token, err)
		}
	}
	if err := verify(keptToken); err != nil || authorize(t, a, masterToken, "default") != kept {
		t.Errorf("another database: %v", err)
	}
	if err := keptExternal.Err(startOfClocks); err != nil {
		t.Errorf("an identity in another database: %v", err)
	}
	a.ForgetDatabase(uuid.New()) // which nobody has used
}

// So many may come that a grant is not kept for one who comes again, but is in use still.
func TestForgetDatabaseRevokesGrantsThatHadNoPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := auth.New(w.options)
	grant := authorize(t, a, externalToken, "")
	token, _ := issue(t, a, grant)
	verifyAs(t, a, "before", token, nil)
	for i := range 10_000 {
		w.identity.ID = "x_" + strconv.Itoa(i)
		authorize(t, a, externalToken, "")
	}
	w.identity.ID = grant.TokenID
	if authorize(t, a, externalToken, "") == grant {
		t.Fatal("the grant was kept")
	}
	verifyAs(t, a, "without a place", token, nil)
	w.registry.deleteDatabase(w.orders.ID)
	a.ForgetDatabase(w.orders.ID)
	if err := grant.Err(startOfClocks); !errors.Is(err, protocol.ErrTokenRevoked) {
		t.Errorf("the grant: %v, want ErrTokenRevoked", err)
	}
	verifyAs(t, a, "after", token, protocol.ErrInvalidDataPathToken)
}

// Should nobody say which databases are gone, their grants go by themselves.
func TestGrantsOfTheMasterTokenAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := auth.New(w.options)
	kept := authorize(t, a, masterToken, "orders")
	var revoked int
	for i := range 1000 {
		database := w.registry.addDatabase(strconv.Itoa(i))
		authorize(t, a, masterToken, database.Name).OnRevoke(func() { revoked++ })
		w.registry.deleteDatabase(database.ID)
	}
	if revoked < 900 {
		t.Errorf("of 1000 grants of databases that are gone, %d were dropped", revoked)
	}
	if authorize(t, a, masterToken, "orders") != kept || kept.Err(startOfClocks) != nil {
		t.Error("the grant of a database that is there was dropped")
	}
}
