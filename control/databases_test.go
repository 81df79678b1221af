package control_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/control"
	"github.com/kvconnect/kvconnect/protocol"
)

func TestDatabaseNames(t *testing.T) {
	t.Parallel()
	store := open(t, tempPath(t), new(clock))
	for name, valid := range map[string]bool{
		"a":                                    true,
		"0":                                    true,
		"orders-2.old_one":                     true,
		strings.Repeat("a", 63):                true,
		"6ba7b810-9dad-11d1-80b4-00c04fd430c":  true,
		"":                                     false,
		strings.Repeat("a", 64):                false,
		"-a":                                   false,
		".a":                                   false,
		"_a":                                   false,
		"Orders":                               false,
		"a b":                                  false,
		"a/b":                                  false,
		"ä":                                    false,
		"a\x00":                                false,
		"6ba7b810-9dad-11d1-80b4-00c04fd430c8": false,
		"6ba7b8109dad11d180b400c04fd430c8":     false,
	} {
		d, err := store.CreateDatabase(t.Context(), control.Database{Name: name})
		if !valid {
			wantError(t, err, control.ErrInvalidName, "1 to 63 characters")
			other := createDatabase(t, store, "other")
			_, err = store.RenameDatabase(t.Context(), other.ID, name)
			wantError(t, err, control.ErrInvalidName, "1 to 63 characters")
			if err := store.DeleteDatabase(t.Context(), other.ID); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if found, _ := store.FindDatabase(name); err != nil || found != d || found.ID == uuid.Nil {
			t.Errorf("%q: %v; found %v", name, err, found)
		}
	}
}

func TestCreateDatabase(t *testing.T) {
	t.Parallel()
	c := new(clock)
	store := open(t, tempPath(t), c)
	id := uuid.New()
	limits := access.Limits{RequestsPerSecond: 1.5, Watches: 2, FileBytes: 3}
	adopted, err := store.CreateDatabase(t.Context(), control.Database{ID: id, Name: "orders", Limits: limits})
	if want := (control.Database{ID: id, Name: "orders", CreatedAt: epoch, Limits: limits}); err != nil || adopted != want {
		t.Fatalf("created %+v, %v, want %+v", adopted, err, want)
	}
	for _, key := range []string{"orders", id.String(), strings.ToUpper(id.String())} {
		known, found := store.Database(key)
		if !found || known.ID != id || known.Name != "orders" || known.Meter.Limits() != limits {
			t.Errorf("by %q there is %+v, %v", key, known, found)
		}
	}
	for name, invalid := range map[string]struct {
		database control.Database
		want     error
	}{
		"the same id":   {control.Database{ID: id, Name: "other"}, control.ErrDatabaseExists},
		"the same name": {control.Database{Name: "orders"}, control.ErrNameTaken},
		"no limit":      {control.Database{Name: "other", Limits: access.Limits{RequestsPerSecond: math.NaN()}}, access.ErrInvalidLimits},
	} {
		if _, err := store.CreateDatabase(t.Context(), invalid.database); err == nil {
			t.Errorf("%s was accepted", name)
		} else {
			wantError(t, err, invalid.want, "create database ")
		}
	}
	for _, name := range []string{"zebra", "ape", "0"} {
		createDatabase(t, store, name)
	}
	var names []string
	for _, d := range store.Databases() {
		names = append(names, d.Name)
	}
	if diff := cmp.Diff([]string{"0", "ape", "orders", "zebra"}, names); diff != "" {
		t.Errorf("the databases are (-want +got):\n%s", diff)
	}
}

func TestUnknownDatabases(t *testing.T) {
	t.Parallel()
	store := open(t, tempPath(t), new(clock))
	createDatabase(t, store, "orders")
	for _, key := range []string{"", "order", "ORDERS", uuid.Nil.String(), uuid.NewString()} {
		if known, found := store.Database(key); found {
			t.Errorf("by %q there is %v", key, known)
		}
		if known, found := store.FindDatabase(key); found {
			t.Errorf("by %q there is %v", key, known)
		}
	}
	_, err := store.RenameDatabase(t.Context(), uuid.New(), "other")
	wantError(t, err, control.ErrNoDatabase, "rename database ")
	_, err = store.SetDatabaseLimits(t.Context(), uuid.New(), access.Limits{})
	wantError(t, err, control.ErrNoDatabase, "limits of database ")
	wantError(t, store.DeleteDatabase(t.Context(), uuid.New()), control.ErrNoDatabase, "delete database ")
}

func TestRenameDatabase(t *testing.T) {
	t.Parallel()
	store := open(t, tempPath(t), new(clock))
	d := createDatabase(t, store, "orders")
	createDatabase(t, store, "invoices")
	createToken(t, store, d.ID, "a")
	_, err := store.RenameDatabase(t.Context(), d.ID, "invoices")
	wantError(t, err, control.ErrNameTaken, "")
	for _, name := range []string{"default", "default", "orders"} {
		renamed, err := store.RenameDatabase(t.Context(), d.ID, name)
		d.Name = name
		if err != nil || renamed != d {
			t.Errorf("renamed %+v, %v", renamed, err)
		}
		if found, _ := store.FindDatabase(name); found != d {
			t.Errorf("found %+v, want %+v", found, d)
		}
		if known, found := store.DefaultDatabase(); found != (name == "default") || found && known.ID != d.ID {
			t.Errorf("named %s, the default database is %+v, %v", name, known, found)
		}
	}
	if grant := grantOf(t, store, "a"); grant.Err(epoch) != nil || grant.DatabaseID != d.ID {
		t.Errorf("its token gives %+v", grant)
	}
}

func TestSetDatabaseLimits(t *testing.T) {
	t.Parallel()
	store := open(t, tempPath(t), new(clock))
	d := createDatabase(t, store, "orders")
	createToken(t, store, d.ID, "a")
	createToken(t, store, d.ID, "b")
	meter := grantOf(t, store, "a").Database
	if known, _ := store.Database("orders"); known.Meter != meter || grantOf(t, store, "b").Database != meter {
		t.Fatal("not all who use a database share a meter")
	}
	d.Limits = access.Limits{RequestsPerSecond: 1, Watches: 1, FileBytes: 1}
	if changed, err := store.SetDatabaseLimits(t.Context(), d.ID, d.Limits); err != nil || changed != d {
		t.Errorf("changed %+v, %v, want %+v", changed, err, d)
	}
	if meter.Limits() != d.Limits {
		t.Errorf("the meter has the limits %+v", meter.Limits())
	}
	_, err := store.SetDatabaseLimits(t.Context(), d.ID, access.Limits{FileBytes: -1})
	wantError(t, err, access.ErrInvalidLimits, "")
	if meter.Limits() != d.Limits {
		t.Errorf("after a mistake the meter has the limits %+v", meter.Limits())
	}
}

func TestDeleteDatabase(t *testing.T) {
	t.Parallel()
	path, c := tempPath(t), new(clock)
	store := open(t, path, c)
	d, other := createDatabase(t, store, "orders"), createDatabase(t, store, "invoices")
	deleted, kept := createToken(t, store, d.ID, "deleted"), createToken(t, store, other.ID, "kept")
	grant := grantOf(t, store, "deleted")
	told := false
	grant.OnRevoke(func() { told = true })
	if err := store.DeleteDatabase(t.Context(), d.ID); err != nil {
		t.Fatal(err)
	}
	wantDeleted := func(store *control.Store) {
		t.Helper()
		if known, found := store.Database(d.ID.String()); found {
			t.Errorf("there is %+v", known)
		}
		if diff := cmp.Diff([]control.Token{kept}, store.Tokens(uuid.Nil)); diff != "" {
			t.Errorf("the tokens are (-want +got):\n%s", diff)
		}
		byID, found := store.GrantByID(deleted.ID)
		if byHash := grantOf(t, store, "deleted"); !found || byID != byHash || byHash.DatabaseID != d.ID {
			t.Errorf("the grants are %p and %p", byID, byHash)
		}
		wantError(t, grantOf(t, store, "deleted").Err(c.Now()), protocol.ErrTokenRevoked, "")
		if err := grantOf(t, store, "kept").Err(c.Now()); err != nil {
			t.Errorf("the token of another database: %v", err)
		}
		_, err := store.RevokeToken(t.Context(), deleted.ID)
		wantError(t, err, control.ErrNoToken, "")
		_, err = store.CreateToken(t.Context(), control.NewToken{DatabaseID: other.ID, Scope: access.ScopeRead, Hash: hashOf("deleted")})
		wantError(t, err, control.ErrTokenExists, "")
	}
	if grant.Err(c.Now()) == nil || !told {
		t.Errorf("the grant says %v, and its bearers were told: %v", grant.Err(c.Now()), told)
	}
	wantDeleted(store)
	closeStore(t, store)
	store = open(t, path, c)
	wantDeleted(store)

	// It comes back, its name meanwhile taken.
	createDatabase(t, store, "orders")
	c.Advance(time.Hour)
	if _, err := store.CreateDatabase(t.Context(), control.Database{ID: d.ID, Name: "orders.old"}); err != nil {
		t.Fatal(err)
	}
	wantError(t, grantOf(t, store, "deleted").Err(c.Now()), protocol.ErrTokenRevoked, "")
	if tokens := store.Tokens(d.ID); len(tokens) != 0 {
		t.Errorf("it has the tokens %+v", tokens)
	}
}
