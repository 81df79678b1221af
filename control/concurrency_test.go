package control_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/control"
)

// Many change and many look, and in the end the file and the mirror agree.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	path, c := tempPath(t), new(clock)
	store := open(t, path, c)
	const writers, tokensEach = 4, 6
	var tokens []string
	for w := range writers {
		for i := range tokensEach {
			tokens = append(tokens, fmt.Sprintf("%d-%d", w, i))
		}
	}
	var named atomic.Int64
	errs := make([]error, writers)
	var writing, reading sync.WaitGroup
	for w := range writers {
		writing.Go(func() { errs[w] = changeMuch(t, store, w, tokensEach, &named) })
	}
	done := make(chan struct{})
	for range 2 {
		reading.Go(func() {
			for {
				for _, token := range tokens {
					if grant, found := store.GrantByHash(hashOf(token)); found {
						c.Advance(time.Second)
						grant.Use(c.Now())
						_, _ = grant.Token.Limits(), grant.Database.Limits()
						if byID, _ := store.GrantByID(grant.TokenID); byID != grant {
							t.Errorf("%s has two grants", token)
						}
					}
				}
				_, _, _ = store.Databases(), store.Tokens(uuid.Nil), store.Keys()
				store.DefaultDatabase()
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	writing.Wait()
	close(done)
	reading.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if n := named.Load(); n != 1 {
		t.Errorf("%d databases got the same name", n)
	}
	want := contentOf(store, c.Now(), tokens...)
	if len(want.Databases) != writers || len(want.Tokens) != writers*tokensEach || len(want.Keys) != 1 {
		t.Errorf("there are %d databases, %d tokens and %d keys", len(want.Databases), len(want.Tokens), len(want.Keys))
	}
	closeStore(t, store)
	store = open(t, path, c)
	wantContent(t, want, contentOf(store, c.Now(), tokens...))
}

// changeMuch makes a database with tokens and changes them in all ways. It tries to give
// its database a name that all want, and counts its success.
func changeMuch(t *testing.T, store *control.Store, writer, tokens int, named *atomic.Int64) error {
	t.Helper()
	ctx := t.Context()
	d, err := store.CreateDatabase(ctx, control.Database{Name: fmt.Sprint("database-", writer)})
	if err != nil {
		return err
	}
	gone, err := store.CreateDatabase(ctx, control.Database{Name: fmt.Sprint("gone-", writer)})
	if err != nil {
		return err
	}
	if _, err := store.RenameDatabase(ctx, d.ID, control.DefaultDatabaseName); err == nil {
		named.Add(1)
	} else if !errors.Is(err, control.ErrNameTaken) {
		return err
	}
	for i := range tokens {
		token, err := store.CreateToken(ctx, control.NewToken{
			DatabaseID: d.ID, Scope: access.ScopeWrite, Hash: hashOf(fmt.Sprintf("%d-%d", writer, i)),
		})
		if err != nil {
			return err
		}
		_, limitsErr := store.SetTokenLimits(ctx, token.ID, access.Limits{Watches: i})
		_, databaseErr := store.SetDatabaseLimits(ctx, d.ID, access.Limits{Watches: i})
		if err := errors.Join(limitsErr, databaseErr, store.FlushLastUsed(ctx)); err != nil {
			return err
		}
		if i%2 == 0 {
			if _, err := store.RevokeToken(ctx, token.ID); err != nil {
				return err
			}
		}
	}
	return errors.Join(
		store.SaveKeys(ctx, []auth.Key{newKey(fmt.Sprint("key-", writer), epoch)}),
		store.DeleteDatabase(ctx, gone.ID),
	)
}
