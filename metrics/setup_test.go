package metrics_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/metrics"
	"github.com/kvconnect/kvconnect/protocol"
	dto "github.com/prometheus/client_model/go"
)

// exercise tells m of all that there is to tell, so that it has every series.
func exercise(m *metrics.Metrics) {
	id := uuid.New()
	for _, method := range kvconnect.Methods() {
		for _, status := range []int{http.StatusOK, http.StatusBadRequest, http.StatusUnauthorized, http.StatusServiceUnavailable} {
			request := kvconnect.Request{Method: method, DatabaseID: id, Status: status, BytesIn: 40, BytesOut: 140, Served: true, Took: time.Millisecond}
			if status != http.StatusOK {
				request.Reason = "malformed_request"
			}
			m.RequestBegun(method)
			m.RequestEnded(request)
		}
	}
	for _, reason := range kvconnect.Reasons() {
		m.RequestEnded(kvconnect.Request{Method: kvconnect.MethodSnapshotRead, DatabaseID: id, Status: http.StatusBadRequest, Reason: reason})
	}
	m.WatchOpened(id)
	m.WatchDelivered(id, 100, time.Millisecond)
	m.GroupCommitted(3, time.Millisecond)
	m.ReadWaited(time.Millisecond)
	m.Checkpointed(time.Millisecond, errors.New("the disk is full"))
	m.Swept(2, time.Second)
	m.AddSources(metrics.Sources{
		Databases: func() []metrics.Database { return []metrics.Database{{ID: id, FileBytes: 1, WALBytes: 2, Keys: 3}} },
		Exists:    func(uuid.UUID) bool { return true },
		Pool:      func() metrics.Pool { return metrics.Pool{Open: 1, Opening: 2, Closing: 3, Waiting: 4, MaxOpen: 5} },
		Tokens: func() metrics.Tokens {
			return metrics.Tokens{CacheHits: 1, CacheMisses: 2, SigningKeyID: "key", SigningKeyCreatedAt: time.Unix(1000, 0), Keys: 3}
		},
		Folder: func() metrics.Folder { return metrics.Folder{Databases: 1, AccessTokens: 2} },
		Connections: func() metrics.Connections {
			return metrics.Connections{Open: 1, Max: 2, Accepted: 3, Refused: 4, Stalled: 5}
		},
		Certificate: func() (time.Time, bool) { return time.Unix(2000, 0), true },
	})
}

// families gathers by name.
func families(t testing.TB, m *metrics.Metrics) map[string]*dto.MetricFamily {
	t.Helper()
	gathered, err := m.Gather()
	if err != nil {
		t.Fatal(err)
	}
	byName := make(map[string]*dto.MetricFamily)
	for _, family := range gathered {
		byName[family.GetName()] = family
	}
	return byName
}

// value gives a series by the values of its labels: the value of a counter or a gauge, the
// count of a histogram. It is false if there is no such series.
func value(t testing.TB, m *metrics.Metrics, name string, labels ...string) (float64, bool) {
	t.Helper()
	for _, series := range families(t, m)[name].GetMetric() {
		if !hasLabels(series, labels) {
			continue
		}
		switch {
		case series.GetCounter() != nil:
			return series.GetCounter().GetValue(), true
		case series.GetGauge() != nil:
			return series.GetGauge().GetValue(), true
		default:
			return float64(series.GetHistogram().GetSampleCount()), true
		}
	}
	return 0, false
}

// hasLabels tells whether those are the values of the labels, which are in the order of their
// names.
func hasLabels(series *dto.Metric, values []string) bool {
	if len(series.GetLabel()) != len(values) {
		return false
	}
	for i, label := range series.GetLabel() {
		if label.GetValue() != values[i] {
			return false
		}
	}
	return true
}

func wantValue(t testing.TB, m *metrics.Metrics, want float64, name string, labels ...string) {
	t.Helper()
	if got, found := value(t, m, name, labels...); !found || got != want {
		t.Errorf("%s%q is %v (found: %v), want %v", name, labels, got, found, want)
	}
}

func wantNone(t testing.TB, m *metrics.Metrics, name string, labels ...string) {
	t.Helper()
	if got, found := value(t, m, name, labels...); found {
		t.Errorf("%s%q is %v, want none", name, labels, got)
	}
}

func ended(method kvconnect.Method, status int, reason string) kvconnect.Request {
	return kvconnect.Request{
		Method: method, Status: status, Reason: reason, BytesIn: 10, BytesOut: 20, Served: true, Took: time.Millisecond,
		AtomicWrite: protocol.AtomicWriteCommitted,
	}
}
