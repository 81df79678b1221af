package bench

import (
	"strings"
	"testing"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/httpconn"
)

func TestCheckOpenFiles(t *testing.T) {
	t.Parallel()
	enough, few, unknown := fileLimit{1000 + otherFiles, true}, fileLimit{999 + otherFiles, true}, fileLimit{}
	for name, c := range map[string]struct {
		bench, server fileLimit
		want          string // "" for no error
	}{
		"enough":                 {enough, enough, ""},
		"unknown":                {unknown, unknown, ""},
		"too few for the bench":  {few, enough, "the bench may have 1063 files open and needs some 1064 for 1000 connections: "},
		"too few for the server": {enough, few, "the server may have 1063 files open and needs some 1064 for 1000 connections: "},
		"unknown for the bench":  {unknown, few, "the server may have "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := checkOpenFiles(1000, c.bench, c.server)
			if (err != nil) != (c.want != "") || err != nil && !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("the error is %v, want %q", err, c.want)
			}
		})
	}
}

func TestConnectionsOf(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		workload string
		version  httpconn.Version
		want     int
	}{
		"reads":                 {"reads", httpconn.HTTP2, 3},
		"watches":               {"watches", httpconn.HTTP2, 3},
		"watches over HTTP/1.1": {"watches", httpconn.HTTP1, 53},
		"fanout over HTTP/1.1":  {"fanout", httpconn.HTTP1, 53},
		"cold starts":           {"coldstart", httpconn.HTTP2, 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := &Options{Workloads: []string{"writes", c.workload}, HTTP: c.version, Connections: 3, Concurrency: 7, Watchers: 50}
			if got := connectionsOf(options); got != c.want {
				t.Errorf("%d connections, want %d", got, c.want)
			}
		})
	}
}
