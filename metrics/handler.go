package metrics

import (
	"fmt"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// maxScrapes bounds how many scrapes are served at once; others get a 503.
const maxScrapes = 4

// Handler serves scrapes, in the format that they ask for: the text of Prometheus, OpenMetrics,
// or protobuf, which alone has native histograms. The logger gets what could not be collected.
func (m *Metrics) Handler(logger *slog.Logger) http.Handler {
	serve := promhttp.HandlerFor(m, promhttp.HandlerOpts{
		ErrorLog:            scrapeLog{logger},
		ErrorHandling:       promhttp.ContinueOnError, // what can be told is better than nothing
		MaxRequestsInFlight: maxScrapes,
		EnableOpenMetrics:   true,
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "use GET", http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		serve.ServeHTTP(w, r)
	})
}

// scrapeLog is the log of promhttp.
type scrapeLog struct{ logger *slog.Logger }

// Println implements promhttp.Logger.
func (l scrapeLog) Println(v ...any) {
	l.logger.Error("metrics cannot be collected", "error", fmt.Sprint(v...))
}
