package doctor_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/doctor"
)

// The certificate is looked at that clients get to see.
func TestCertificate(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(map[string]string{"/healthz": "ok\n", "/readyz": "ready\n"}[r.URL.Path]))
	}))
	t.Cleanup(server.Close)
	leaf := server.Certificate()
	for name, c := range map[string]struct {
		now  time.Time
		want doctor.Status
	}{
		"valid":         {leaf.NotAfter.Add(-15 * 24 * time.Hour), doctor.OK},
		"expires soon":  {leaf.NotAfter.Add(-13 * 24 * time.Hour), doctor.Warn},
		"expired":       {leaf.NotAfter.Add(time.Second), doctor.Fail},
		"not valid yet": {leaf.NotBefore.Add(-time.Second), doctor.Fail},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := doctor.Run(t.Context(), doctor.Options{
				SQLitePath: filepath.Join(t.TempDir(), "none.sqlite"),
				Addr:       strings.TrimPrefix(server.URL, "https://"),
				Now:        func() time.Time { return c.now },
			})
			if f := finding(t, report, "certificate"); f.Status != c.want {
				t.Errorf("%+v", f)
			}
		})
	}
}
