package metrics_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/kvconnect/kvconnect/metrics"
)

func TestHandler(t *testing.T) {
	t.Parallel()
	m := metrics.New(metrics.Options{})
	exercise(m)
	handler := m.Handler(slog.New(slog.DiscardHandler))
	for name, c := range map[string]struct {
		method, accept  string
		status          int
		contentType     string
		contains, lacks string
	}{
		"text": {http.MethodGet, "", http.StatusOK, "text/plain", "\nkvconnect_watches_open 1\n", "# EOF"},
		"OpenMetrics": {
			http.MethodGet, "application/openmetrics-text; version=1.0.0", http.StatusOK, "application/openmetrics-text", "# EOF", "NaN",
		},
		"protobuf": {
			http.MethodGet, "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
			http.StatusOK, "application/vnd.google.protobuf", "kvconnect_watches_open", "# HELP",
		},
		"another method": {http.MethodPost, "", http.StatusMethodNotAllowed, "text/plain", "use GET", "kvconnect_"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := httptest.NewRequestWithContext(t.Context(), c.method, "/metrics", http.NoBody)
			request.Header.Set("Accept", c.accept)
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, request)
			body := recorder.Body.String()
			if recorder.Code != c.status || !strings.HasPrefix(recorder.Header().Get("Content-Type"), c.contentType) {
				t.Errorf("status %d, %s", recorder.Code, recorder.Header().Get("Content-Type"))
			}
			if !strings.Contains(body, c.contains) || strings.Contains(body, c.lacks) {
				t.Errorf("it has not %q, or has %q: %.500s", c.contains, c.lacks, body)
			}
		})
	}
}
