package auth_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/auth"
)

func TestOneDatabaseIsTheOnlyOne(t *testing.T) {
	t.Parallel()
	id, meter := uuid.New(), access.NewMeter(access.Limits{})
	for _, name := range []string{"", "orders"} {
		var registry auth.Registry = auth.NewOneDatabase(id, name, meter)
		want := auth.Database{ID: id, Name: name, Meter: meter}
		if got, found := registry.DefaultDatabase(); !found || got != want {
			t.Errorf("the default database is %v, %v", got, found)
		}
		for asked, isFound := range map[string]bool{
			id.String(): true, "orders": name == "orders", "": false, uuid.NewString(): false, "default": false,
		} {
			got, found := registry.Database(asked)
			if found != isFound || found && got != want {
				t.Errorf("a database named %q, asked for %q: %v, %v; want it found %v", name, asked, got, found, isFound)
			}
		}
		if _, found := registry.GrantByHash(auth.AccessTokenHash{}); found {
			t.Error("a token is registered with a hash")
		}
		if _, found := registry.GrantByID(""); found {
			t.Error("a token is registered with an id")
		}
	}
}

// A program may ask for the only database by id, and write it in upper case.
func TestTheMasterTokenOpensTheOnlyDatabase(t *testing.T) {
	t.Parallel()
	id, master := uuid.New(), hashOf(t, "abcdefghijkl")
	secrets := auth.GenerateSecrets()
	keys, err := secrets.KeyRing()
	if err != nil {
		t.Fatal(err)
	}
	a := auth.New(auth.Options{Registry: auth.NewOneDatabase(id, "", nil), Keys: keys, Master: &master})
	for _, database := range []string{"", id.String(), strings.ToUpper(id.String())} {
		grant := authorize(t, a, "abcdefghijkl", database)
		if grant.DatabaseID != id || !grant.Scope.MayWrite() || grant.Database != nil {
			t.Errorf("asked for %q: a grant for %v", database, grant.DatabaseID)
		}
		token, _ := issue(t, a, grant)
		if got, err := a.VerifyDataPathToken(token); err != nil || got != grant {
			t.Errorf("asked for %q: its data path token: %v", database, err)
		}
	}
}
