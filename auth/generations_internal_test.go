package auth

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
)

func TestTokenCacheIsBoundedAndKeepsWhatIsUsed(t *testing.T) {
	t.Parallel()
	c, used := newTokenCache(10), verifiedToken{grant: new(access.Grant)}
	c.put("used", used)
	for i := range 1000 {
		c.put(strings.Repeat("x", i), verifiedToken{})
		if v, known := c.get("used"); !known || v != used {
			t.Fatalf("after %d others the token in use is forgotten", i)
		}
		if n := len(c.tokens.young) + len(c.tokens.old); n > 20 {
			t.Fatalf("the cache holds %d tokens", n)
		}
	}
	if _, known := c.get("x"); known {
		t.Error("a token that nobody uses is still there")
	}
}

func TestTheCacheRevokesTheGrantsOfADatabase(t *testing.T) {
	t.Parallel()
	c := newTokenCache(10)
	gone, kept := &access.Grant{DatabaseID: uuid.New()}, &access.Grant{DatabaseID: uuid.New()}
	c.put("gone", verifiedToken{grant: gone})
	for i := range 10 { // which makes the first one old
		c.put("kept"+strconv.Itoa(i), verifiedToken{grant: kept})
	}
	c.forgetDatabase(gone.DatabaseID)
	if _, known := c.get("gone"); known || gone.Err(time.Time{}) == nil {
		t.Errorf("known %v, the grant %v", known, gone.Err(time.Time{}))
	}
	if _, known := c.get("kept0"); !known || kept.Err(time.Time{}) != nil {
		t.Errorf("of another database: known %v, the grant %v", known, kept.Err(time.Time{}))
	}
}

func TestGrantsOfIdentitiesAreBoundedAndKeepWhatIsUsed(t *testing.T) {
	t.Parallel()
	id := uuid.New()
	e := newExternalGrants(NewOneDatabase(id, "", nil), 10)
	grantOf := func(identityID string) *access.Grant {
		grant, err := e.grant(Identity{ID: identityID, Database: id.String(), Scope: access.ScopeRead}, "")
		if err != nil {
			t.Fatal(err)
		}
		return grant
	}
	used, unused := grantOf("x_used"), grantOf("x_unused")
	for i := range 1000 {
		grantOf("x_" + strconv.Itoa(i))
		if grantOf("x_used") != used {
			t.Fatalf("after %d others the grant in use is forgotten", i)
		}
		if n := len(e.grants.young) + len(e.grants.old); n > 20 {
			t.Fatalf("there are %d grants", n)
		}
	}
	if grantOf("x_unused") == unused {
		t.Error("a grant that nobody uses is still there")
	}
	if used.Err(time.Time{}) != nil || unused.Err(time.Time{}) != nil {
		t.Error("a grant was revoked for want of space")
	}
}
