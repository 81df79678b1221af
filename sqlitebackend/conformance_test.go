package sqlitebackend_test

import (
	"path/filepath"
	"testing"

	"github.com/kvconnect/kvconnect/conformance"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/sqlitebackend"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	t.Parallel()
	conformance.Run(t, func(t *testing.T) kvconnect.Backend {
		backend, err := sqlitebackend.Open(sqlitebackend.Options{Path: filepath.Join(t.TempDir(), "kv.sqlite")})
		if err != nil {
			t.Fatal(err)
		}
		return backend
	})
}
