package metrics_test

import (
	"net/http"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/metrics"
)

func TestDatabasesTogether(t *testing.T) {
	t.Parallel()
	m := metrics.New(metrics.Options{})
	open := []metrics.Database{
		{ID: uuid.New(), FileBytes: 1000, WALBytes: 100, Keys: 10},
		{ID: uuid.New(), FileBytes: 2000, WALBytes: 200, Keys: -1},
	}
	m.AddSources(metrics.Sources{Databases: func() []metrics.Database { return open }})
	wantValue(t, m, 3000, "kvconnect_database_file_bytes")
	wantValue(t, m, 300, "kvconnect_wal_bytes")
	wantValue(t, m, 10, "kvconnect_database_keys")
	wantValue(t, m, 1, "kvconnect_database_writable")
	wantNone(t, m, "kvconnect_databases_open")
	open[1].Unwritable = true
	wantValue(t, m, 0, "kvconnect_database_writable")
	open = []metrics.Database{{ID: uuid.New(), Keys: -1, ReadOnly: true, Unwritable: true}}
	wantNone(t, m, "kvconnect_database_writable")
	wantNone(t, m, "kvconnect_database_keys")
	open = nil
	wantValue(t, m, 0, "kvconnect_wal_bytes")
	request := ended(kvconnect.MethodSnapshotRead, http.StatusOK, "")
	request.DatabaseID = uuid.New()
	m.RequestEnded(request)
	if families(t, m)["kvconnect_database_requests_total"] != nil {
		t.Error("a database has series of its own")
	}
}

// There are no more series than those that were allowed, whatever comes; a database that is
// deleted makes room.
func TestSeriesOfDatabasesAreBounded(t *testing.T) {
	t.Parallel()
	m := metrics.New(metrics.Options{PerDatabase: true, MaxDatabases: 2})
	var open []metrics.Database
	deleted := make(map[uuid.UUID]bool)
	m.AddSources(metrics.Sources{
		Databases: func() []metrics.Database { return open },
		Exists:    func(id uuid.UUID) bool { return !deleted[id] },
	})
	request := func(id uuid.UUID, reason string) {
		r := ended(kvconnect.MethodSnapshotRead, http.StatusOK, reason)
		r.DatabaseID = id
		m.RequestEnded(r)
	}
	ids := make([]uuid.UUID, 5)
	for i := range ids {
		ids[i] = uuid.New()
		for range i + 1 {
			request(ids[i], "")
		}
		m.WatchOpened(ids[i])
		open = append(open, metrics.Database{ID: ids[i], WALBytes: 10, Keys: 1})
	}
	request(uuid.Nil, "refused")
	request(ids[1], "key_too_long")
	first, second, third := ids[0].String(), ids[1].String(), ids[2].String()
	wantValue(t, m, 1, "kvconnect_database_requests_total", first)
	wantValue(t, m, 3, "kvconnect_database_requests_total", second)
	wantValue(t, m, 3+4+5, "kvconnect_database_requests_total", "other")
	wantValue(t, m, 1, "kvconnect_database_request_failures_total", second)
	wantValue(t, m, 30, "kvconnect_database_request_bytes_total", second)
	wantValue(t, m, 60, "kvconnect_database_response_bytes_total", second)
	wantValue(t, m, 1, "kvconnect_database_watches_open", first)
	wantValue(t, m, 3, "kvconnect_database_watches_open", "other")
	wantValue(t, m, 10, "kvconnect_wal_bytes", first)
	wantValue(t, m, 30, "kvconnect_wal_bytes", "other")
	wantValue(t, m, 3, "kvconnect_database_keys", "other")

	open[0].Unwritable, open[4].Unwritable = true, true
	wantValue(t, m, 0, "kvconnect_database_writable", first)
	wantValue(t, m, 1, "kvconnect_database_writable", second)
	wantValue(t, m, 0, "kvconnect_database_writable", "other")

	deleted[ids[0]] = true
	m.WatchClosed(ids[0])
	open = open[1:]
	families(t, m) // sees that it is gone
	request(ids[2], "")
	wantNone(t, m, "kvconnect_database_requests_total", first)
	wantNone(t, m, "kvconnect_wal_bytes", first)
	wantValue(t, m, 1, "kvconnect_database_requests_total", third)
	wantValue(t, m, 1, "kvconnect_database_watches_open", third)
	m.WatchClosed(ids[2]) // which was opened before it had a slot
	wantValue(t, m, 0, "kvconnect_database_watches_open", third)
	if n := len(families(t, m)["kvconnect_database_requests_total"].GetMetric()); n != 3 {
		t.Errorf("%d series", n)
	}
}

// Nothing is lost while databases come and go.
func TestDatabasesAtTheSameTime(t *testing.T) {
	t.Parallel()
	m := metrics.New(metrics.Options{PerDatabase: true, MaxDatabases: 8})
	const clients, requests = 16, 200
	var wait sync.WaitGroup
	for range clients {
		wait.Go(func() {
			id := uuid.New()
			for range requests {
				m.WatchOpened(id)
				m.RequestBegun(kvconnect.MethodSnapshotRead)
				r := ended(kvconnect.MethodSnapshotRead, http.StatusOK, "")
				r.DatabaseID = id
				m.RequestEnded(r)
				m.WatchClosed(id)
			}
		})
	}
	for range 20 {
		families(t, m)
	}
	wait.Wait()
	sum := 0.0
	for _, series := range families(t, m)["kvconnect_database_requests_total"].GetMetric() {
		sum += series.GetCounter().GetValue()
	}
	if sum != clients*requests {
		t.Errorf("%v requests were counted, want %d", sum, clients*requests)
	}
	wantValue(t, m, clients*requests, "kvconnect_requests_total", "snapshot_read", "200")
	wantValue(t, m, 0, "kvconnect_requests_in_flight", "snapshot_read")
	wantValue(t, m, 0, "kvconnect_watches_open")
}
