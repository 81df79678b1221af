package service_test

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/datadir"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/service"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
)

const secretValue = "the-value-that-was-stored"

// adminURL is where the admin listener is, by the log, which tells of it after the greeting.
func (s *server) adminURL(t *testing.T) (url string) {
	t.Helper()
	addr := regexp.MustCompile(`admin_addr=(\S+)`)
	await(t, "the admin listener", func() bool {
		found := addr.FindStringSubmatch(s.log.String())
		if found != nil {
			url = "http://" + found[1]
		}
		return found != nil
	})
	return url
}

// await looks until something has happened.
func await(t *testing.T, what string, happened func() bool) {
	t.Helper()
	timeout := time.After(20 * time.Second)
	looks := time.NewTicker(10 * time.Millisecond)
	defer looks.Stop()
	for !happened() {
		select {
		case <-looks.C:
		case <-timeout:
			t.Fatalf("nobody was told of %s", what)
		}
	}
}

// get asks the admin listener.
func (s *server) get(t *testing.T, path string, header http.Header) reply {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.adminURL(t)+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		request.Header[name] = values
	}
	request.Host = header.Get("Host")
	response, err := newHTTPClient(t).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }() // only read
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{response.StatusCode, response.Header, string(body)}
}

// scraped is what /metrics gave, by the name with the labels.
type scraped map[string]float64

func (s *server) scrape(t *testing.T) scraped {
	t.Helper()
	r := s.get(t, "/metrics", nil)
	wantStatus(t, "scrape", r, http.StatusOK)
	series := make(scraped)
	for line := range strings.Lines(r.body) {
		space := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || space < 0 {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(line[space:]), 64)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		series[line[:space]] = value
	}
	return series
}

func measured(options service.Options) service.Options {
	options.AdminAddr, options.AdminAddrChosen = "127.0.0.1:0", true
	options.Metrics = service.MetricsOptions{Enabled: true, PerDatabase: true, MaxDatabases: 1}
	return options
}

// What a server does shows in its metrics, and nothing of what it keeps.
func TestMetricsOfOneDatabase(t *testing.T) {
	t.Parallel()
	const token = "the-token-that-was-chosen"
	options := measured(fileOptions(filepath.Join(t.TempDir(), "one.sqlite")))
	options.AccessToken = token
	s := start(t, options)
	await(t, "the number of keys", func() bool {
		for name, value := range s.scrape(t) {
			if strings.HasPrefix(name, "kvconnect_database_keys{") {
				return value == 0
			}
		}
		return false
	})
	before := s.scrape(t)
	d := s.open(t, "/", token)
	const key = "\x02the-key-that-was-stored\x00"
	stream := d.watch(t)
	if now := s.scrape(t); now["kvconnect_watches_open"] != 1 || now["kvconnect_connections_open"] != 1 {
		t.Errorf("%v watches on %v connections are open, want 1 on 1", now["kvconnect_watches_open"], now["kvconnect_connections_open"])
	}
	wantStatus(t, "write of the watched key", d.write(t, "\x01", secretValue), http.StatusOK)
	readState(t, stream)
	for range 2 {
		wantStatus(t, "write", d.write(t, key, secretValue), http.StatusOK)
	}
	wantStatus(t, "write whose check does not hold", d.call(t, "atomic_write", &datapath.AtomicWrite{
		Checks: []*datapath.Check{{Key: []byte(key)}}, // it is there
	}), http.StatusOK)
	wantStatus(t, "write that is refused", d.write(t, key, strings.Repeat("x", protocol.MaxValueBytes+1)), http.StatusBadRequest)
	wantStatus(t, "read", d.read(t), http.StatusOK)
	wantStatus(t, "refused", s.exchange(t, d.client, "/", token+"-of-somebody-else"), http.StatusUnauthorized)
	wantStatus(t, "refused", s.exchange(t, d.client, "/databases/"+uuid.NewString()+"/connect", token), http.StatusNotFound)
	if err := stream.(io.Closer).Close(); err != nil { //nolint:forcetypeassert // it is the body of a response
		t.Fatal(err)
	}
	await(t, "the end of the watch and of the connection", func() bool {
		d.client.CloseIdleConnections()
		now := s.scrape(t)
		return now["kvconnect_watches_open"] == 0 && now["kvconnect_connections_open"] == 0
	})
	now := s.scrape(t)
	id := d.metadata.DatabaseID
	for name, want := range map[string]float64{
		`kvconnect_requests_total{method="metadata",status="200"}`:                          1,
		`kvconnect_requests_total{method="metadata",status="401"}`:                          1,
		`kvconnect_requests_total{method="metadata",status="404"}`:                          1,
		`kvconnect_requests_total{method="snapshot_read",status="200"}`:                     1,
		`kvconnect_requests_total{method="atomic_write",status="200"}`:                      4,
		`kvconnect_requests_total{method="atomic_write",status="400"}`:                      1,
		`kvconnect_requests_total{method="watch",status="200"}`:                             1,
		`kvconnect_atomic_writes_total{outcome="committed"}`:                                3,
		`kvconnect_atomic_writes_total{outcome="check_failed"}`:                             1,
		`kvconnect_atomic_writes_total{outcome="rejected"}`:                                 1,
		`kvconnect_request_failures_total{method="atomic_write",reason="value_too_long"}`:   1,
		`kvconnect_request_failures_total{method="metadata",reason="invalid_access_token"}`: 1,
		`kvconnect_auth_failures_total{reason="invalid_access_token"}`:                      1,
		`kvconnect_auth_failures_total{reason="unknown_database"}`:                          1,
		`kvconnect_request_duration_seconds_count{method="atomic_write"}`:                   5,
		`kvconnect_request_duration_seconds_count{method="watch"}`:                          1,
		`kvconnect_connections_accepted_total`:                                              1,
		`kvconnect_watch_frames_total`:                                                      1,
		`kvconnect_watch_delivery_seconds_count`:                                            1,
		`kvconnect_commit_group_writes_sum`:                                                 3,
		`kvconnect_commit_duration_seconds_count`:                                           3,
		`kvconnect_token_cache_misses_total`:                                                1,
		`kvconnect_token_cache_hits_total`:                                                  6,
		fmt.Sprintf(`kvconnect_database_requests_total{database=%q}`, id):                   8,
		fmt.Sprintf(`kvconnect_database_request_failures_total{database=%q}`, id):           1,
	} {
		if got := now[name] - before[name]; got != want {
			t.Errorf("%s went up by %v, want %v", name, got, want)
		}
	}
	for name, value := range now {
		if strings.HasPrefix(name, "kvconnect_requests_in_flight{") && value != 0 {
			t.Errorf("%s is %v when nothing is asked", name, value)
		}
	}
	if now["kvconnect_signing_keys"] != 1 || now[fmt.Sprintf("kvconnect_database_writable{database=%q}", id)] != 1 ||
		now[fmt.Sprintf("kvconnect_wal_bytes{database=%q}", id)] < 3*4096 {
		t.Errorf("of the database: %v", now)
	}
	text := s.get(t, "/metrics", nil).body
	for _, secret := range []string{token, d.metadata.Token, secretValue, "the-key-that-was-stored", options.SQLitePath} {
		if strings.Contains(text, secret) {
			t.Errorf("the metrics show %q", secret)
		}
	}
}

func TestMetricsOfAFolder(t *testing.T) {
	t.Parallel()
	const master = "the-token-that-was-chosen"
	options := measured(folderOptions(filepath.Join(t.TempDir(), "data")))
	options.AccessToken = master
	s := start(t, options)
	for _, name := range []string{"secret-orders", "secret-invoices"} {
		s.create(t, name)
		wantStatus(t, "write", s.open(t, "/databases/"+name, master).write(t, "\x01", secretValue), http.StatusOK)
	}
	s.createToken(t, "secret-orders", "read")
	now := s.scrape(t)
	for name, want := range map[string]float64{
		"kvconnect_databases": 2, "kvconnect_databases_open": 2, "kvconnect_databases_waiting": 0, "kvconnect_access_tokens": 1,
		`kvconnect_database_writable{database="other"}`: 1,
	} {
		if got, found := now[name]; !found || got != want {
			t.Errorf("%s is %v (found: %v), want %v", name, got, found, want)
		}
	}
	labelled := func(now scraped) (ids int) {
		for name := range now {
			if strings.HasPrefix(name, "kvconnect_wal_bytes{") && !strings.Contains(name, "other") {
				ids++
			}
		}
		return ids
	}
	if n := labelled(now); n != 1 {
		t.Errorf("%d databases have series of their own, want 1", n)
	}
	for _, name := range []string{"secret-orders", "secret-invoices"} {
		if _, err := s.operator(t).DeleteDatabase(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if now := s.scrape(t); labelled(now) != 0 || now["kvconnect_databases"] != 0 {
		t.Errorf("of databases that were deleted: %v", now)
	}
	if text := s.get(t, "/metrics", nil).body; strings.Contains(text, "secret") || strings.Contains(text, master) {
		t.Error("the metrics show a name or a token")
	}
}

func TestNoMetrics(t *testing.T) {
	t.Parallel()
	options := measured(fileOptions(filepath.Join(t.TempDir(), "one.sqlite")))
	options.Metrics.Enabled = false
	s := start(t, options)
	wantStatus(t, "scrape", s.get(t, "/metrics", nil), http.StatusNotFound)
	wantStatus(t, "health", s.get(t, "/healthz", nil), http.StatusOK)
	wantStatus(t, "profiles", s.get(t, "/debug/pprof/", nil), http.StatusNotFound)
}

func TestProfiles(t *testing.T) {
	t.Parallel()
	const path = "/debug/pprof/goroutine?debug=1"
	t.Run("one file", func(t *testing.T) {
		t.Parallel()
		options := measured(fileOptions(filepath.Join(t.TempDir(), "one.sqlite")))
		options.Profiles = true
		s := start(t, options)
		for host, want := range map[string]int{
			"": http.StatusOK, "localhost:4513": http.StatusOK, "127.0.0.1": http.StatusOK, "[::1]:4513": http.StatusOK,
			"example.com": http.StatusForbidden, "localhost.example.com:4513": http.StatusForbidden, "10.0.0.1": http.StatusForbidden,
		} {
			wantStatus(t, "as "+host, s.get(t, path, http.Header{"Host": {host}}), want)
		}
		wantStatus(t, "command line", s.get(t, "/debug/pprof/cmdline", nil), http.StatusNotFound)
		wantStatus(t, "health", s.get(t, "/healthz", nil), http.StatusOK)
	})
	t.Run("folder", func(t *testing.T) {
		t.Parallel()
		options := measured(folderOptions(filepath.Join(t.TempDir(), "data")))
		options.Profiles = true
		s := start(t, options)
		way, err := datadir.ReadAdminAccess(s.path)
		if err != nil {
			t.Fatal(err)
		}
		wantStatus(t, "without a token", s.get(t, path, nil), http.StatusUnauthorized)
		wantStatus(t, "another token", s.get(t, path, http.Header{"Authorization": {"Bearer " + way.Token + "x"}}), http.StatusUnauthorized)
		wantStatus(t, "the admin token", s.get(t, path, http.Header{"Authorization": {"Bearer " + way.Token}}), http.StatusOK)
		wantStatus(t, "metrics", s.get(t, "/metrics", nil), http.StatusOK)
	})
	for name, c := range map[string]struct {
		adminAddr string
		want      string
	}{
		"no admin listener": {"", "give it an address with --admin-addr"},
		"everywhere":        {"0.0.0.0:0", "only this machine reaches"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := discarding(fileOptions(filepath.Join(t.TempDir(), "one.sqlite")))
			options.AdminAddr, options.AdminAddrChosen, options.Profiles = c.adminAddr, true, true
			if err := service.Run(t.Context(), options); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
