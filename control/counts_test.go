package control_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/control"
)

func TestCounts(t *testing.T) {
	t.Parallel()
	store := open(t, tempPath(t), new(clock))
	wantCounts := func(when string, want control.Counts) {
		t.Helper()
		if got := store.Counts(); got != want {
			t.Errorf("%s: %+v, want %+v", when, got, want)
		}
	}
	wantCounts("at first", control.Counts{})
	orders, invoices := createDatabase(t, store, "orders"), createDatabase(t, store, "invoices")
	createToken(t, store, orders.ID, "a")
	revoked := createToken(t, store, orders.ID, "b")
	createToken(t, store, invoices.ID, "c")
	wantCounts("two databases, three tokens", control.Counts{Databases: 2, AccessTokens: 3})
	if _, err := store.RevokeToken(t.Context(), revoked.ID); err != nil {
		t.Fatal(err)
	}
	wantCounts("one was revoked", control.Counts{Databases: 2, AccessTokens: 2})
	if err := store.DeleteDatabase(t.Context(), orders.ID); err != nil {
		t.Fatal(err)
	}
	wantCounts("a database was deleted", control.Counts{Databases: 1, AccessTokens: 1})
	for id, want := range map[uuid.UUID]bool{orders.ID: false, invoices.ID: true, uuid.Nil: false} {
		if got := store.HasDatabase(id); got != want {
			t.Errorf("%s is there: %v, want %v", id, got, want)
		}
	}
}
