package metrics

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/prometheus/client_golang/prometheus"
)

// otherDatabases is the label of all databases together that have no series of their own.
const otherDatabases = "other"

// databaseSlots gives series of their own to the databases that come first, as many as there
// are slots. Those of a database that was deleted are given to the next. It collects what is
// counted by database.
type databaseSlots struct {
	max   int
	other databaseCounts // of those without a slot

	requests, failures, bytesIn, bytesOut, watches *prometheus.Desc

	// taken is replaced with each change, and read without a lock.
	taken atomic.Pointer[map[uuid.UUID]*databaseCounts]

	mu sync.Mutex // held while taken is replaced
	// open is how many watches are open, of each database that has any; guarded by mu. It
	// knows of no slots, because a database may get one between the two ends of a watch.
	open map[uuid.UUID]int64
}

// databaseCounts is what is counted of a database.
type databaseCounts struct {
	label                                 string
	requests, failures, bytesIn, bytesOut atomic.Uint64
}

func newDatabaseSlots(slots int) *databaseSlots {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "database", name), help, []string{"database"}, nil)
	}
	s := &databaseSlots{
		max:      slots,
		requests: desc("requests_total", "Requests that were answered and whose token was accepted, by database."),
		failures: desc("request_failures_total", "Requests whose token was accepted and that were answered with an error, by database."),
		bytesIn:  desc("request_bytes_total", "Bytes of the bodies of requests, by database."),
		bytesOut: desc("response_bytes_total", "Bytes of the bodies of replies, by database."),
		watches:  desc("watches_open", "Watches that are open, by database."),
		open:     make(map[uuid.UUID]int64),
	}
	s.other.label = otherDatabases
	s.taken.Store(&map[uuid.UUID]*databaseCounts{})
	return s
}

// of gives what is counted of a database, which gets a slot if there is one left.
func (s *databaseSlots) of(id uuid.UUID) *databaseCounts {
	if counts := s.find(id); counts != nil {
		return counts
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if counts := s.find(id); counts != nil {
		return counts
	}
	taken := maps.Clone(*s.taken.Load())
	taken[id] = &databaseCounts{label: id.String()}
	s.taken.Store(&taken)
	return taken[id]
}

// find gives nil if the database has no slot, and there is one left.
func (s *databaseSlots) find(id uuid.UUID) *databaseCounts {
	taken := *s.taken.Load()
	if counts, found := taken[id]; found {
		return counts
	}
	if len(taken) >= s.max {
		return &s.other
	}
	return nil
}

// retain takes the slots of the databases that do not exist any more.
func (s *databaseSlots) retain(exists func(uuid.UUID) bool) {
	var gone []uuid.UUID
	for id := range *s.taken.Load() {
		if !exists(id) { // asked without the lock, on which requests may wait
			gone = append(gone, id)
		}
	}
	if len(gone) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := maps.Clone(*s.taken.Load())
	for _, id := range gone {
		delete(taken, id)
	}
	s.taken.Store(&taken)
}

// requestEnded counts a request of the database that its token is for.
func (s *databaseSlots) requestEnded(request kvconnect.Request) {
	if request.DatabaseID == uuid.Nil {
		return
	}
	counts := s.of(request.DatabaseID)
	counts.requests.Add(1)
	if request.Reason != "" {
		counts.failures.Add(1)
	}
	counts.bytesIn.Add(uint64(max(request.BytesIn, 0)))
	counts.bytesOut.Add(uint64(max(request.BytesOut, 0)))
}

func (s *databaseSlots) countWatch(id uuid.UUID, change int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[id] += change; s.open[id] == 0 {
		delete(s.open, id)
	}
}

// openWatches gives how many watches are open, by label. No database gets a slot for that: of
// those that share a label, it would be any.
func (s *databaseSlots) openWatches() map[string]int64 {
	s.mu.Lock()
	open := maps.Clone(s.open)
	s.mu.Unlock()
	byLabel := make(map[string]int64)
	for id, n := range open {
		label := otherDatabases
		if counts := s.find(id); counts != nil {
			label = counts.label
		}
		byLabel[label] += n
	}
	return byLabel
}

// Describe implements prometheus.Collector.
func (s *databaseSlots) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{s.requests, s.failures, s.bytesIn, s.bytesOut, s.watches} {
		descs <- desc
	}
}

// Collect implements prometheus.Collector.
func (s *databaseSlots) Collect(collected chan<- prometheus.Metric) {
	watches := s.openWatches()
	collect := func(counts *databaseCounts) {
		for _, counter := range []struct {
			desc  *prometheus.Desc
			count *atomic.Uint64
		}{{s.requests, &counts.requests}, {s.failures, &counts.failures}, {s.bytesIn, &counts.bytesIn}, {s.bytesOut, &counts.bytesOut}} {
			collected <- prometheus.MustNewConstMetric(counter.desc, prometheus.CounterValue, float64(counter.count.Load()), counts.label)
		}
		collected <- prometheus.MustNewConstMetric(s.watches, prometheus.GaugeValue, float64(watches[counts.label]), counts.label)
	}
	for _, counts := range *s.taken.Load() {
		collect(counts)
	}
	if s.other.requests.Load() > 0 || watches[otherDatabases] > 0 {
		collect(&s.other)
	}
}
