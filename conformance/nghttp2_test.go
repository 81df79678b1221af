package conformance

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
	"google.golang.org/protobuf/proto"
)

// installNghttp2 says where nghttp and h2load come from.
const installNghttp2 = "install the package nghttp2-client"

// nghttpOptions are ways to speak HTTP/2 that are allowed and seldom met.
var nghttpOptions = map[string][]string{
	"as it is":             nil,
	"without priorities":   {"--no-dep"},
	"small windows":        {"--window-bits=9"},
	"large windows":        {"--window-bits=30", "--connection-window-bits=30"},
	"padded frames":        {"--padding=255"},
	"continuation frames":  {"--continuation"},
	"no tables of headers": {"--header-table-size=0", "--encoder-header-table-size=0"},
	"no content length":    {"--no-content-length"},
	"a trailer":            {"--trailer=checksum: 1"},
	"expects a 100":        {"--expect-continue"},
}

func TestNghttp(t *testing.T) {
	t.Parallel()
	path := needProgram(t, "nghttp", installNghttp2)
	overTransports(t, func(t *testing.T, over transportKind) {
		server := serverOptions{transport: over}.start(t)
		read := newPreparedRead(t, server, 10, 60_000)
		for name, options := range nghttpOptions {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				args := append([]string{"--data=" + read.bodyPath}, headerArgs(read.db.header())...)
				args = append(append(args, options...), read.db.url("snapshot_read"))
				if got := runProgram(t, path, args...); !bytes.Equal(got, read.reply) {
					t.Errorf("a reply of %d bytes, which are not the %d it has", len(got), len(read.reply))
				}
				const times = 20
				args = append(args, "--multiply="+strconv.Itoa(times))
				if got := runProgram(t, path, args...); len(got) != times*len(read.reply) {
					t.Errorf("%d replies at once have %d bytes, want %d each", times, len(got), len(read.reply))
				}
			})
		}
		t.Run("refusals", func(t *testing.T) {
			t.Parallel()
			tooLarge := filepath.Join(t.TempDir(), "body")
			if err := os.WriteFile(tooLarge, make([]byte, 1_048_577), 0o600); err != nil {
				t.Fatal(err)
			}
			for status, request := range map[int][]string{
				http.StatusUnauthorized:          {"--data=" + read.bodyPath, read.db.url("snapshot_read")},
				http.StatusRequestEntityTooLarge: append(headerArgs(read.db.header()), "--data="+tooLarge, read.db.url("atomic_write")),
				http.StatusMethodNotAllowed:      append(headerArgs(read.db.header()), read.db.url("snapshot_read")),
				http.StatusNotFound:              {"--data=" + read.bodyPath, read.db.url("no_such_method")},
			} {
				log := string(runProgram(t, path, append([]string{"--verbose", "--null-out"}, request...)...))
				if want := fmt.Sprintf(":status: %d\n", status); !strings.Contains(log, want) {
					t.Errorf("no reply with the status %d:\n%s", status, log)
				}
			}
		})
	})
}

func TestH2load(t *testing.T) {
	t.Parallel()
	path := needProgram(t, "h2load", installNghttp2)
	const requests = 20_000
	overTransports(t, func(t *testing.T, over transportKind) {
		server := serverOptions{transport: over}.start(t)
		read := newPreparedRead(t, server, 1, 100)
		args := append([]string{
			"--requests=" + strconv.Itoa(requests), "--clients=8", "--max-concurrent-streams=10", "--data=" + read.bodyPath,
		}, headerArgs(read.db.header())...)
		report := string(runProgram(t, path, append(args, read.db.url("snapshot_read"))...))
		if !strings.Contains(report, fmt.Sprintf("status codes: %d 2xx, 0 3xx, 0 4xx, 0 5xx", requests)) {
			t.Errorf("not all %d replies were a success:\n%s", requests, report)
		}
	})
}

// preparedRead is a read for programs that know nothing of the data path.
type preparedRead struct {
	db       *httpDatabase
	bodyPath string // of a file with the request
	reply    []byte
}

// newPreparedRead stores entries with values of one length, and gives a read of all of them.
func newPreparedRead(t *testing.T, server *process, entries, valueBytes int) *preparedRead {
	t.Helper()
	client := httpClients["HTTP2"]()
	t.Cleanup(client.CloseIdleConnections)
	db, err := openHTTP(t.Context(), client, server.url, processToken)
	if err != nil {
		t.Fatal(err)
	}
	for n := range entries {
		write := protocol.AtomicWrite{Mutations: []protocol.Mutation{
			set([]byte{'k', byte(n)}, text(strings.Repeat("x", valueBytes))),
		}}
		if _, err := db.atomicWrite(t.Context(), write); err != nil {
			t.Fatal(err)
		}
	}
	body, err := proto.Marshal(&datapath.SnapshotRead{Ranges: []*datapath.ReadRange{{Start: []byte("k"), End: []byte("l"), Limit: 100}}})
	if err != nil {
		t.Fatal(err)
	}
	r := &preparedRead{db: db, bodyPath: filepath.Join(t.TempDir(), "body")}
	if err := os.WriteFile(r.bodyPath, body, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := post(t.Context(), client, db.url("snapshot_read"), db.header(), body)
	if err != nil || got.status != http.StatusOK {
		t.Fatalf("read: %v, %v", got.err(), err)
	}
	r.reply = got.body
	return r
}

// headerArgs gives an argument for each field, as both programs take it.
func headerArgs(header http.Header) []string {
	var args []string
	for name, values := range header {
		args = append(args, "--header="+name+": "+values[0])
	}
	return args
}
