package admin_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/admin"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/datadir"
)

// An expiry that has passed makes no token, above all none that does not expire.
func TestTokenWithAPastExpiry(t *testing.T) {
	t.Parallel()
	dir, err := datadir.Open(t.Context(), datadir.Options{Path: filepath.Join(t.TempDir(), "data"), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := dir.Close(); err != nil {
			t.Error(err)
		}
	})
	now := time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC)
	local := admin.NewLocal(dir, func() time.Time { return now })
	if _, err := local.CreateDatabase(t.Context(), admin.CreateDatabase{Name: "orders"}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		expiresAt time.Time
		wantMade  bool
	}{
		"the zero time": {time.Time{}, false},
		"now":           {now, false},
		"later":         {now.Add(time.Second), true},
	} {
		created, err := local.CreateToken(t.Context(), admin.CreateToken{Database: "orders", Scope: access.ScopeRead, ExpiresAt: &c.expiresAt})
		if (err == nil) != c.wantMade {
			t.Errorf("%s: %+v, %v", name, created.Token, err)
		}
	}
}
