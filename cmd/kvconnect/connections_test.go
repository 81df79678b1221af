package main

import (
	"flag"
	"fmt"
	"io"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/httpconn"
	"github.com/kvconnect/kvconnect/protocol/datapath"
	"google.golang.org/protobuf/proto"
)

var (
	connectionsCount = flag.Int("connections.count", 20, "the idle connections and the watches of TestConnections")
	connectionsSlice = flag.Duration("connections.slice", time.Millisecond, "how long each of its loads takes")
)

// maxIdleConnectionBytes and maxWatchBytes are what an idle connection and a watch may add to
// the memory of the server, where there are enough of them to tell. They are far above what is
// measured, and far below what would be a leak or a buffer for each.
const (
	maxIdleConnectionBytes = 64 << 10
	maxWatchBytes          = 16 << 10
	enoughToTell           = 1000
)

// moreFiles is how many files the database may open meanwhile, to read.
const moreFiles = 12

// TestConnections measures what connections and watches cost a server, and how it stands a
// flood of connections, and says with -v what it found. It asserts nothing about time, but
// that all are served and the memory is bounded.
func TestConnections(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("memory and open files are read from /proc")
	}
	c := &connectionCosts{program: buildProgram(t)}
	var databases []filledDatabase
	c.folder, databases = fillFolder(t, 1)
	c.database = databases[0]
	c.report.WriteString("| transport | open | memory of the server before | more, for each connection | for each watch | " +
		"read p50, p99 meanwhile |\n|---|---|---|---|---|---|\n")
	n := *connectionsCount
	for _, transport := range []string{"loop", "std"} {
		for _, open := range []openConnections{
			{"idle, HTTP/2", httpconn.HTTP2, n, 0},
			{"idle, HTTP/1.1", httpconn.HTTP1, n, 0},
			{"watches on one connection, HTTP/2", httpconn.HTTP2, 1, n},
			{"watches on a tenth as many, HTTP/2", httpconn.HTTP2, max(1, n/10), n},
			{"watches on as many, HTTP/2", httpconn.HTTP2, n, n},
			{"watches on as many, HTTP/1.1", httpconn.HTTP1, n, n},
		} {
			c.measure(t, transport, open)
		}
	}
	c.report.WriteString("\n| transport | connections refused a second | in all | server CPU for each | read p50, p99 without them | with them |\n" +
		"|---|---|---|---|---|---|\n")
	for _, transport := range []string{"loop", "std"} {
		c.flood(t, transport)
	}
	if testing.Verbose() {
		fmt.Print(c.report.String())
	}
}

// connectionCosts is the database that is served, and what was found.
type connectionCosts struct {
	program, folder string
	database        filledDatabase
	report          strings.Builder
}

// openConnections are connections, each of which has made a call, and the watches on them.
type openConnections struct {
	name                 string
	version              httpconn.Version
	connections, watches int
}

// start starts a server with a client that has made a call.
func (c *connectionCosts) start(t *testing.T, args ...string) (*folderServer, *databaseClient) {
	t.Helper()
	server := startFolderServer(t, c.program, c.folder, 1, args...)
	server.awaitReady(t)
	client := &databaseClient{database: c.database}
	var err error
	if client.conn, err = dialServer(t.Context(), server.url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.conn.Close)
	if err := client.exchange(t.Context()); err != nil {
		t.Fatal(err)
	}
	return server, client
}

// reads is what one client finds that reads for a slice.
func reads(t *testing.T, server *folderServer, client *databaseClient) figures {
	t.Helper()
	return loadOf(server, 1, []*databaseClient{client}).run(t, *connectionsSlice)
}

func (c *connectionCosts) measure(t *testing.T, transport string, open openConnections) {
	t.Helper()
	server, client := c.start(t, "--transport", transport)
	reads(t, server, client)
	before := server.footprint(t)
	conns := open.dial(t, server, client)
	open.watch(t, conns, client)
	after := server.footprint(t)
	found := reads(t, server, client)
	for _, conn := range conns {
		conn.Close()
	}
	server.awaitFiles(t, before.openFiles+moreFiles)
	server.stop(t)
	more := after.anonymousBytes - before.anonymousBytes
	perWatch := "-"
	if open.watches > 0 {
		perWatch = fmt.Sprintf("%.1f kB", float64(more)/float64(open.watches)/1e3)
	}
	fmt.Fprintf(&c.report, "| %s | %d %s | %.1f MB | %.1f kB | %s | %s, %s |\n", transport, max(open.watches, open.connections), open.name,
		megabytes(before.anonymousBytes), float64(more)/float64(open.connections)/1e3, perWatch, inMs(found.readP50), inMs(found.readP99))
	bound := int64(open.connections)*maxIdleConnectionBytes + int64(open.watches)*maxWatchBytes
	if max(open.connections, open.watches) >= enoughToTell && more > bound {
		t.Errorf("%s, %s: %.1f MB, want at most %.1f MB", transport, open.name, megabytes(more), megabytes(bound))
	}
}

// dial opens the connections, some at a time, with a read on each.
func (o openConnections) dial(t *testing.T, server *folderServer, like *databaseClient) []httpconn.Conn {
	t.Helper()
	const dialers = 8
	conns := make([]httpconn.Conn, o.connections)
	var next atomic.Int64
	var wait sync.WaitGroup
	for range dialers {
		wait.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(conns)); i = next.Add(1) - 1 {
				conn, err := httpconn.Dial(t.Context(), server.url, o.version, scriptPatience)
				if err != nil {
					t.Error(err)
					return
				}
				conns[i] = conn
				client := databaseClient{conn: conn, database: like.database, read: like.read}
				if err := client.get(t.Context(), 0); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return conns
}

// watch opens the watches, and waits until each has its first state. They end with their
// connections.
func (o openConnections) watch(t *testing.T, conns []httpconn.Conn, like *databaseClient) {
	t.Helper()
	body, err := proto.Marshal(&datapath.Watch{Keys: []*datapath.WatchKey{{Key: like.database.key(0)}}})
	if err != nil {
		t.Fatal(err)
	}
	route := &httpconn.Route{Path: "/v2/watch", Header: like.read.Header}
	begun := make(chan struct{}, o.watches)
	for i := range o.watches {
		var once sync.Once
		call := &httpconn.Call{Route: route, Body: body, OnData: func([]byte) { once.Do(func() { begun <- struct{}{} }) }}
		if err := conns[i%len(conns)].Start(t.Context(), call, func(error) {}); err != nil {
			t.Fatal(err)
		}
	}
	for range o.watches {
		select {
		case <-begun:
		case <-time.After(scriptPatience):
			t.Fatal("a watch does not begin")
		}
	}
}

// awaitFiles waits until the process has no more files open than that.
func (s *folderServer) awaitFiles(t *testing.T, most int) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(scriptPatience); s.footprint(t).openFiles > most; <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("%d files are open, %d were before", s.footprint(t).openFiles, most)
		}
	}
}

// fill opens connections until one is refused. They are closed with the test.
func fill(t *testing.T, server *folderServer, like *databaseClient) {
	t.Helper()
	for {
		conn, err := dialServer(t.Context(), server.url)
		if err != nil {
			return
		}
		t.Cleanup(conn.Close)
		client := databaseClient{conn: conn, database: like.database, read: like.read}
		if client.get(t.Context(), 0) != nil {
			return
		}
	}
}

// flood tries to connect again and again to a server that has as many connections as it
// takes, of which one is used.
func (c *connectionCosts) flood(t *testing.T, transport string) {
	t.Helper()
	const flooders, most = 128, 8 // more than are told why at a time
	server, client := c.start(t, "--transport", transport, "--max-connections", strconv.Itoa(most))
	fill(t, server, client)
	quiet := reads(t, server, client)
	var stop atomic.Bool
	var tries atomic.Int64
	var wait sync.WaitGroup
	for range flooders {
		wait.Go(func() {
			for !stop.Load() {
				// What fails was refused, at one moment or another.
				if conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.url.Host); err == nil {
					_ = conn.SetDeadline(time.Now().Add(time.Second))
					_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: kv.test\r\n\r\n")
					_, _ = io.Copy(io.Discard, conn)
					_ = conn.Close()
				}
				tries.Add(1)
			}
		})
	}
	cpuBefore, beforeErr := server.cpu()
	start, triesBefore := time.Now(), tries.Load()
	flooded := reads(t, server, client)
	elapsed, tried := time.Since(start), tries.Load()-triesBefore
	cpuAfter, afterErr := server.cpu()
	stop.Store(true)
	wait.Wait()
	if beforeErr != nil || afterErr != nil {
		t.Fatal(beforeErr, afterErr)
	}
	server.stop(t)
	spent := (cpuAfter - cpuBefore).Seconds() - flooded.cpuUsPerOperation/1e6
	fmt.Fprintf(&c.report, "| %s | %.0f | %d | %.0f µs with its reads | %s, %s | %s, %s |\n", transport, float64(tried)/elapsed.Seconds(), tries.Load(),
		spent*1e6/float64(max(1, tried)), inMs(quiet.readP50), inMs(quiet.readP99), inMs(flooded.readP50), inMs(flooded.readP99))
}
