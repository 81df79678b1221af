package main

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/bench"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/httpconn"
)

var (
	databasesCount   = flag.Int("databases.count", 6, "the databases in the folder of TestManyDatabases")
	databasesBusy    = flag.Int("databases.busy", 3, "how many of them are busy at once, and how many clients there are")
	databasesCold    = flag.Int("databases.cold", 2, "how many of them get their first request; as many get a write first")
	databasesMaxOpen = flag.Int("databases.max-open", 4, "the --max-open-databases of the server, as many as the busy ones at least")
	databasesRounds  = flag.Int("databases.rounds", 1, "how often TestManyDatabases measures everything")
	databasesSlice   = flag.Duration("databases.slice", time.Millisecond, "how long each measurement of TestManyDatabases takes")
)

// busyReadShare is how many of the operations are reads where there are both.
const busyReadShare = 0.8

// TestManyDatabases measures a server of a folder with many databases, and says with -v what
// it found. It asserts nothing about time, but that each reply is right and of the database
// that was asked.
func TestManyDatabases(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("memory and open files are read from /proc")
	}
	if max(*databasesBusy, 2**databasesCold, *databasesMaxOpen) > *databasesCount || *databasesRounds < 1 {
		t.Fatal("the folder needs as many databases as are busy, as may be open and twice as many as are cold; and there must be a round")
	}
	m := &manyDatabases{program: buildProgram(t)}
	start := time.Now()
	m.folder, m.databases = fillFolder(t, *databasesCount)
	fmt.Fprintf(&m.report, "%d databases with %d entries of %d bytes, made in %.1f s; medians of %d rounds\n",
		len(m.databases), filledEntries, filledValueBytes, time.Since(start).Seconds(), *databasesRounds)
	m.measureStart(t)
	m.measureCold(t)
	m.measureBusy(t)
	if testing.Verbose() {
		fmt.Print(m.report.String())
	}
}

// manyDatabases is the folder that is measured, and what was found.
type manyDatabases struct {
	program, folder string
	databases       []filledDatabase
	report          strings.Builder
}

// connect gives clients of the databases that share so many connections, which are closed
// with the test. They have made the metadata exchange, of which the times are given.
func (m *manyDatabases) connect(t *testing.T, server *folderServer, databases []filledDatabase, connections int) (clients []*databaseClient, exchanges *bench.Histogram) {
	t.Helper()
	conns := make([]httpconn.Conn, connections)
	for i := range conns {
		conn, err := dialServer(t.Context(), server.url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(conn.Close)
		conns[i] = conn
	}
	exchanges = new(bench.Histogram)
	for i, database := range databases {
		client := &databaseClient{conn: conns[i%connections], database: database}
		record(t, exchanges, client.exchange)
		clients = append(clients, client)
	}
	return clients, exchanges
}

// record measures a call, which must succeed.
func record(t *testing.T, durations *bench.Histogram, call func(context.Context) error) {
	t.Helper()
	took, err := timed(func() error { return call(t.Context()) })
	if err != nil {
		t.Fatal(err)
	}
	durations.Record(took)
}

// measureStart compares the start on the folder with that on a folder with one database.
func (m *manyDatabases) measureStart(t *testing.T) {
	t.Helper()
	m.report.WriteString("\n| from the start of the process | ready | first metadata exchange | memory | of that, not of files | open files |\n|---|---|---|---|---|---|\n")
	one, databasesOfOne := fillFolder(t, 1)
	for _, c := range []struct {
		folder    string
		databases []filledDatabase
	}{{one, databasesOfOne}, {m.folder, m.databases}} {
		var ready, exchanged, resident, anonymous, files []float64
		for range *databasesRounds {
			server := startFolderServer(t, m.program, c.folder, *databasesMaxOpen)
			ready = append(ready, milliseconds(server.awaitReady(t)))
			m.connect(t, server, c.databases[len(c.databases)-1:], 1)
			exchanged = append(exchanged, milliseconds(time.Since(server.started)))
			footprint := server.footprint(t)
			resident = append(resident, megabytes(footprint.residentBytes))
			anonymous = append(anonymous, megabytes(footprint.anonymousBytes))
			files = append(files, float64(footprint.openFiles))
			server.stop(t)
		}
		fmt.Fprintf(&m.report, "| with %d databases | %.0f ms | %.0f ms | %.1f MB | %.1f MB | %.0f |\n", len(c.databases),
			median(ready), median(exchanged), median(resident), median(anonymous), median(files))
	}
}

// measureCold measures the first calls of databases that nobody has asked for since the
// server started. There is room for all of them.
func (m *manyDatabases) measureCold(t *testing.T) {
	t.Helper()
	read, written := m.databases[:*databasesCold], m.databases[*databasesCold:2**databasesCold]
	exchanges, firstReads, nextReads, nextWrites, firstWrites := new(bench.Histogram), new(bench.Histogram),
		new(bench.Histogram), new(bench.Histogram), new(bench.Histogram)
	for range *databasesRounds {
		server := startFolderServer(t, m.program, m.folder, len(read)+len(written))
		server.awaitReady(t)
		get := func(client *databaseClient) func(context.Context) error {
			return func(ctx context.Context) error { return client.get(ctx, filledEntries/2) }
		}
		set := func(client *databaseClient) func(context.Context) error {
			return func(ctx context.Context) error { return client.set(ctx, filledEntries/2) }
		}
		clients, took := m.connect(t, server, read, 1)
		exchanges.Merge(took)
		for _, client := range clients {
			record(t, firstReads, get(client))
			record(t, nextReads, get(client))
			record(t, nextWrites, set(client))
		}
		clients, took = m.connect(t, server, written, 1)
		exchanges.Merge(took)
		for _, client := range clients {
			record(t, firstWrites, set(client))
		}
		server.stop(t)
	}
	fmt.Fprintf(&m.report, "\n| first calls of %d databases, one after another, all rounds together | p50 | p99 |\n|---|---|---|\n", len(read)+len(written))
	for _, row := range []struct {
		name      string
		durations *bench.Histogram
	}{
		{"metadata exchange, which opens nothing", exchanges},
		{"read that opens the database", firstReads},
		{"the next read", nextReads},
		{"the first write after them", nextWrites},
		{"write that opens the database", firstWrites},
	} {
		fmt.Fprintf(&m.report, "| %s | %s | %s |\n", row.name, inMs(row.durations.Quantile(0.5)), inMs(row.durations.Quantile(0.99)))
	}
}

// measureBusy compares one database with many under the same clients, in alternating
// slices, and then goes round all databases.
func (m *manyDatabases) measureBusy(t *testing.T) {
	t.Helper()
	server := startFolderServer(t, m.program, m.folder, *databasesMaxOpen)
	server.awaitReady(t)
	footprints := []namedFootprint{{"at the start", server.footprint(t)}}
	busy := *databasesBusy
	ofOne, _ := m.connect(t, server, slices.Repeat(m.databases[:1], busy), busy)
	ofMany, _ := m.connect(t, server, m.databases[:busy], busy)
	footprints = append(footprints,
		namedFootprint{fmt.Sprintf("%d connections and 1 database open", 2*busy), m.touch(t, server, ofOne)},
		namedFootprint{fmt.Sprintf("%d databases open, read once", busy), m.touch(t, server, ofMany)})

	loads := []namedLoad{
		{name: "1 client reads", load: loadOf(server, 1, ofOne[:1])},
		{name: "1 client writes", load: loadOf(server, 0, ofOne[:1])},
		{name: fmt.Sprintf("%d clients, 1 database", busy), load: loadOf(server, busyReadShare, ofOne)},
		{name: fmt.Sprintf("%d clients, %d databases", busy, busy), load: loadOf(server, busyReadShare, ofMany)},
	}
	for range *databasesRounds {
		for i := range loads {
			loads[i].found = append(loads[i].found, loads[i].load.run(t, *databasesSlice))
		}
	}
	footprints = append(footprints, namedFootprint{fmt.Sprintf("%d databases open, after the load", busy), server.footprint(t)})

	open, _ := m.connect(t, server, m.databases[:*databasesMaxOpen], 1)
	footprints = append(footprints, namedFootprint{fmt.Sprintf("%d databases open", *databasesMaxOpen), m.touch(t, server, open)})
	loads = append(loads, m.rounds(t, server)...)
	footprints = append(footprints, namedFootprint{"after rounds over all databases", server.footprint(t)})
	server.stop(t)
	m.reportLoads(loads)
	m.reportFootprints(footprints)
}

// touch has each client read once.
func (m *manyDatabases) touch(t *testing.T, server *folderServer, clients []*databaseClient) footprint {
	t.Helper()
	for _, client := range clients {
		if err := client.get(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
	}
	return server.footprint(t)
}

// rounds go over all databases, so that there is always one to be closed for another: by
// reads alone, and with writes, after which a file has more to do when it is closed.
func (m *manyDatabases) rounds(t *testing.T, server *folderServer) (loads []namedLoad) {
	t.Helper()
	const workers = 16
	clients, _ := m.connect(t, server, m.databases, workers)
	for name, readShare := range map[string]float64{"reads": 1, "reads and writes": busyReadShare} {
		l := load{server: server, readShare: readShare, workers: make([][]*databaseClient, min(workers, len(clients)))}
		for i, client := range clients {
			worker := i % len(l.workers)
			l.workers[worker] = append(l.workers[worker], client)
		}
		round := namedLoad{name: fmt.Sprintf("%d clients go round %d databases, %s", len(l.workers), len(clients), name), load: l}
		for range *databasesRounds {
			round.found = append(round.found, l.run(t, *databasesSlice))
		}
		loads = append(loads, round)
	}
	slices.SortFunc(loads, func(a, b namedLoad) int { return strings.Compare(a.name, b.name) })
	return loads
}
