package service_test

import (
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/service"
)

// A server takes as many connections as it is told, whatever they speak and whatever carries
// them, tells the others, and goes on with those it has.
func TestMaxConnections(t *testing.T) {
	t.Parallel()
	for _, over := range []service.Transport{service.TransportLoop, service.TransportStd} {
		t.Run(string(over), func(t *testing.T) {
			t.Parallel()
			options := fileOptions(filepath.Join(t.TempDir(), "kv.sqlite"))
			options.Transport, options.Connections = over, service.ConnectionLimits{Max: 3}
			s := start(t, options)
			clients := []*http.Client{newHTTPClient(t), newHTTPClient(t), {Transport: &http.Transport{}}}
			for _, client := range clients {
				t.Cleanup(client.CloseIdleConnections)
				if got := post(t, client, s.url+"/nothing", nil, nil); got.status != http.StatusNotFound {
					t.Fatalf("status %d: %s", got.status, got.body)
				}
			}
			late := &http.Client{Transport: &http.Transport{}}
			t.Cleanup(late.CloseIdleConnections)
			if got := post(t, late, s.url, nil, nil); got.status != http.StatusServiceUnavailable ||
				got.header.Get("Retry-After") == "" || !strings.Contains(got.body, "maximum of connections") {
				t.Errorf("beyond the maximum: %+v", got)
			}
			for _, client := range clients {
				if got := post(t, client, s.url+"/nothing", nil, nil); got.status != http.StatusNotFound {
					t.Errorf("one that is in: status %d: %s", got.status, got.body)
				}
			}
			if err := s.stop(); err != nil {
				t.Fatal(err)
			}
			for _, line := range []string{
				"connections=3 http1=1 http2=2 accepted=3 refused=1 stalled=0", "connections are refused",
			} {
				if !strings.Contains(s.log.String(), line) {
					t.Errorf("the log does not say %q:\n%s", line, s.log)
				}
			}
		})
	}
}

func TestConnectionsLeaveFilesToDatabases(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		asked, openFiles, databases, want int
		warns                             bool
	}{
		"unknown limit":              {asked: 16_384, databases: 1, want: 16_384},
		"unknown limit, no bound":    {databases: 1},
		"far from the limit":         {asked: 16_384, openFiles: 1 << 20, databases: 128, want: 16_384},
		"no bound but the limit":     {openFiles: 20_000, databases: 1, want: 20_000 - 256 - 10},
		"above the limit":            {asked: 16_384, openFiles: 4096, databases: 128, want: 4096 - 256 - 1280, warns: true},
		"more databases than files":  {asked: 16_384, openFiles: 4096, databases: 10_000, want: 2048 - 256, warns: true},
		"fewer files than are taken": {asked: 10, openFiles: 100, databases: 10, want: 1, warns: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log logged
			got := service.ConnectionLimits{Max: test.asked, MaxPerAddress: 7}.
				Within(test.openFiles, test.databases, slog.New(slog.NewTextHandler(&log, nil)))
			if got != (service.ConnectionLimits{Max: test.want, MaxPerAddress: 7}) {
				t.Errorf("%+v", got)
			}
			if warned := log.String() != ""; warned != test.warns {
				t.Errorf("the log: %q", log.String())
			}
		})
	}
}

func TestConnectionLimitsOfNoSense(t *testing.T) {
	t.Parallel()
	for name, limits := range map[string]service.ConnectionLimits{
		"--max-connections:":             {Max: -1},
		"--max-connections-per-address:": {MaxPerAddress: -1},
	} {
		if err := limits.Validate(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%+v: %v", limits, err)
		}
	}
}
