package conformance

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/protocol/datapath"
	"github.com/kvconnect/kvconnect/transport"
	"google.golang.org/protobuf/proto"
)

var (
	ratiosRounds = flag.Int("ratios.rounds", 0, "how often TestTransportRatios measures everything; 0 skips it")
	ratiosSlice  = flag.Duration("ratios.slice", 2*time.Second, "how long each measurement of TestTransportRatios takes")
)

// ratio is a line that TestTransportRatios measures: the rate of one load to that of another.
type ratio struct {
	name        string
	ours, other h2Load
	target      float64
}

// h2Load is a load that h2load puts on a server.
type h2Load struct {
	url, bodyPath    string
	header           []string
	clients, streams int
}

// TestTransportRatios measures in alternating slices what the transports do, and prints a
// table in Markdown. It asserts nothing about time.
func TestTransportRatios(t *testing.T) {
	t.Parallel()
	if *ratiosRounds == 0 {
		t.Skip("a measurement: make transport")
	}
	path := needProgram(t, "h2load", installNghttp2)
	var table strings.Builder
	for _, r := range ratios(t) {
		var ours, other, quotients []float64
		for range *ratiosRounds {
			ours = append(ours, r.ours.perSecond(t, path))
			other = append(other, r.other.perSecond(t, path))
			quotients = append(quotients, ours[len(ours)-1]/other[len(other)-1])
		}
		slices.Sort(quotients)
		fmt.Fprintf(&table, "| %s | %.0f/s | %.0f/s | %.2f (%.2f–%.2f) | ≥ %.1f |\n", r.name,
			median(ours), median(other), median(quotients), quotients[0], quotients[len(quotients)-1], r.target)
	}
	fmt.Printf("\n| line | first | second | ratio | target |\n|---|---|---|---|---|\n%s\n", &table)
}

func ratios(t *testing.T) []ratio {
	t.Helper()
	loop := serverOptions{transport: transportLoop}.start(t)
	std := serverOptions{transport: transportStd}.start(t)
	echo := startEcho(t)
	get := preparedBody(t, &datapath.SnapshotRead{Ranges: []*datapath.ReadRange{
		{Start: []byte{'k', 0}, End: []byte{'k', 0, 0}, Limit: 1},
	}})
	set := preparedBody(t, &datapath.AtomicWrite{Mutations: []*datapath.Mutation{{
		Key: []byte("w"), MutationType: datapath.MutationType_M_SET,
		Value: &datapath.KvValue{Data: make([]byte, 100), Encoding: datapath.ValueEncoding_VE_BYTES},
	}}})
	reads := func(server *process, clients, streams int) h2Load {
		read := newPreparedRead(t, server, 1, 100)
		return h2Load{read.db.url("snapshot_read"), get, headerArgs(read.db.header()), clients, streams}
	}
	writes := func(server *process) h2Load {
		load := reads(server, 16, 10)
		load.url = load.url[:len(load.url)-len("snapshot_read")] + "atomic_write"
		load.bodyPath = set
		return load
	}
	echoed := reads(loop, 16, 10)
	echoed.url = echo + "/v2/snapshot_read"
	return []ratio{
		{"reads, 16 × 10 / own echo", reads(loop, 16, 10), echoed, 0.5},
		{"reads, 16 × 10 / std", reads(loop, 16, 10), reads(std, 16, 10), 4},
		{"writes, 16 × 10 / std", writes(loop), writes(std), 1.5},
		{"reads, one after another / std", reads(loop, 1, 1), reads(std, 1, 1), 1.4},
	}
}

// preparedBody gives a file with the body of a request.
func preparedBody(t *testing.T, message proto.Message) string {
	t.Helper()
	body, err := proto.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

var h2loadRate = regexp.MustCompile(`finished in .*, ([0-9.]+) req/s`)

// perSecond puts the load on for a slice, after a moment to warm up.
func (l h2Load) perSecond(t *testing.T, path string) float64 {
	t.Helper()
	args := append([]string{
		fmt.Sprintf("--clients=%d", l.clients), fmt.Sprintf("--max-concurrent-streams=%d", l.streams),
		fmt.Sprintf("--duration=%g", ratiosSlice.Seconds()), "--warm-up-time=500ms", "--data=" + l.bodyPath,
	}, l.header...)
	report := string(runProgram(t, path, append(args, l.url)...))
	found := h2loadRate.FindStringSubmatch(report)
	if found == nil {
		t.Fatalf("no rate in the report:\n%s", report)
	}
	rate, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return rate
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// startEcho starts a server on the loop that answers every request with its body, and gives
// its URL.
func startEcho(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := transport.New(&http.Server{ReadHeaderTimeout: time.Minute}, echoHandler{}, transport.Options{})
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		<-served //nolint:errcheck // that it is closed
	})
	return "http://" + listener.Addr().String()
}

type echoHandler struct{}

func (echoHandler) Admit(transport.Request) (transport.Call, *transport.Reply) {
	return &echoCall{}, nil
}

// echoCall is a call whose reply is its body.
type echoCall struct{ body []byte }

var echoHead = &transport.Head{Status: http.StatusOK, Fields: []transport.Field{{Name: "Content-Type", Value: "application/x-protobuf"}}}

func (*echoCall) MaxBodyBytes() int64 { return 1 << 20 }

func (*echoCall) Refuse(err error) transport.Reply {
	return transport.Reply{Head: &transport.Head{Status: http.StatusBadRequest}, Body: []byte(err.Error())}
}

func (c *echoCall) Receive(body []byte) (quick bool) {
	c.body = body
	return true
}

func (c *echoCall) Serve(context.Context, transport.Waker) transport.Reply {
	return transport.Reply{Head: echoHead, Body: c.body}
}
