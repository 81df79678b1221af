package metrics_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/metrics"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

var _ sqlitebackend.Observer = (*metrics.Metrics)(nil)

func TestNamesAreThoseOfPrometheus(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]metrics.Options{"together": {}, "per database": {PerDatabase: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := metrics.New(options)
			exercise(m)
			problems, err := testutil.GatherAndLint(m)
			if err != nil {
				t.Fatal(err)
			}
			for _, problem := range problems {
				t.Errorf("%s: %s", problem.Metric, problem.Text)
			}
		})
	}
}

func TestRequests(t *testing.T) {
	t.Parallel()
	const read = kvconnect.MethodSnapshotRead
	m := metrics.New(metrics.Options{})
	wantValue(t, m, 0, "kvconnect_requests_total", "snapshot_read", "200")
	wantValue(t, m, 0, "kvconnect_requests_in_flight", "snapshot_read")
	m.RequestBegun(read)
	m.RequestBegun(read)
	wantValue(t, m, 2, "kvconnect_requests_in_flight", "snapshot_read")
	m.RequestEnded(ended(read, http.StatusOK, ""))
	m.RequestEnded(ended(read, http.StatusBadRequest, "key_too_long"))
	refused := ended(read, http.StatusUnauthorized, "token_revoked")
	refused.Served, refused.Took = false, 0
	m.RequestEnded(refused) // it was never begun
	wantValue(t, m, 0, "kvconnect_requests_in_flight", "snapshot_read")
	wantValue(t, m, 1, "kvconnect_requests_total", "snapshot_read", "200")
	wantValue(t, m, 1, "kvconnect_requests_total", "snapshot_read", "400")
	wantValue(t, m, 1, "kvconnect_requests_total", "snapshot_read", "401")
	wantValue(t, m, 2, "kvconnect_request_duration_seconds", "snapshot_read")
	wantValue(t, m, 30, "kvconnect_request_bytes_total", "snapshot_read")
	wantValue(t, m, 60, "kvconnect_response_bytes_total", "snapshot_read")
	wantValue(t, m, 1, "kvconnect_request_failures_total", "snapshot_read", "key_too_long")
	wantValue(t, m, 1, "kvconnect_request_failures_total", "snapshot_read", "token_revoked")
	wantValue(t, m, 1, "kvconnect_auth_failures_total", "token_revoked")
	wantNone(t, m, "kvconnect_auth_failures_total", "key_too_long")

	m.RequestEnded(ended("DELETE everything", 999, ""))
	wantValue(t, m, 1, "kvconnect_requests_total", "other", "500")
}

func TestAuthFailures(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method kvconnect.Method
		status int
		want   bool
	}{
		"no token":         {kvconnect.MethodMetadata, http.StatusUnauthorized, true},
		"token for reads":  {kvconnect.MethodAtomicWrite, http.StatusForbidden, true},
		"another database": {kvconnect.MethodMetadata, http.StatusNotFound, true},
		"another path":     {kvconnect.MethodOther, http.StatusNotFound, false},
		"too many":         {kvconnect.MethodSnapshotRead, http.StatusTooManyRequests, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := metrics.New(metrics.Options{})
			m.RequestEnded(ended(c.method, c.status, "token_expired"))
			if _, found := value(t, m, "kvconnect_auth_failures_total", "token_expired"); found != c.want {
				t.Errorf("counted: %v", found)
			}
		})
	}
}

func TestAtomicWrites(t *testing.T) {
	t.Parallel()
	m := metrics.New(metrics.Options{})
	for n, status := range []protocol.AtomicWriteStatus{
		protocol.AtomicWriteCommitted, protocol.AtomicWriteCheckFailed, protocol.AtomicWriteDisabled,
	} {
		request := ended(kvconnect.MethodAtomicWrite, http.StatusOK, "")
		request.AtomicWrite = status
		for range n + 1 {
			m.RequestEnded(request)
		}
	}
	m.RequestEnded(ended(kvconnect.MethodAtomicWrite, http.StatusRequestEntityTooLarge, "database_full"))
	m.RequestEnded(ended(kvconnect.MethodSnapshotRead, http.StatusOK, ""))
	for outcome, want := range map[string]float64{"committed": 1, "check_failed": 2, "disabled": 3, "rejected": 1} {
		wantValue(t, m, want, "kvconnect_atomic_writes_total", outcome)
	}
}

// However many words there are for what went wrong, there are not as many series.
func TestReasonsAreBounded(t *testing.T) {
	t.Parallel()
	m := metrics.New(metrics.Options{})
	const words = 1000
	for n := range words {
		m.RequestEnded(ended(kvconnect.MethodMetadata, http.StatusUnauthorized, fmt.Sprint("word", n)))
	}
	m.RequestEnded(ended(kvconnect.MethodMetadata, http.StatusUnauthorized, "token_expired"))
	for _, name := range []string{"kvconnect_request_failures_total", "kvconnect_auth_failures_total"} {
		if n := len(families(t, m)[name].GetMetric()); n != 2 {
			t.Errorf("%s has %d series", name, n)
		}
	}
	wantValue(t, m, 1, "kvconnect_auth_failures_total", "token_expired")
	wantValue(t, m, words, "kvconnect_auth_failures_total", "other")
}

func TestWatches(t *testing.T) {
	t.Parallel()
	m := metrics.New(metrics.Options{})
	id := uuid.New()
	m.WatchOpened(id)
	m.WatchOpened(uuid.New())
	m.WatchDelivered(id, 70, time.Millisecond)
	m.WatchDelivered(id, 50, time.Millisecond)
	m.WatchClosed(id)
	wantValue(t, m, 1, "kvconnect_watches_open")
	wantValue(t, m, 2, "kvconnect_watch_frames_total")
	wantValue(t, m, 120, "kvconnect_watch_frame_bytes_total")
	wantValue(t, m, 2, "kvconnect_watch_delivery_seconds")
}

func TestStorage(t *testing.T) {
	t.Parallel()
	m := metrics.New(metrics.Options{})
	m.GroupCommitted(3, time.Millisecond)
	m.GroupCommitted(1, time.Millisecond)
	m.ReadWaited(time.Millisecond)
	m.Checkpointed(time.Millisecond, nil)
	m.Checkpointed(time.Millisecond, errors.New("the disk is full"))
	m.Swept(7, time.Second)
	wantValue(t, m, 2, "kvconnect_commit_group_writes")
	wantValue(t, m, 2, "kvconnect_commit_duration_seconds")
	wantValue(t, m, 1, "kvconnect_read_pool_wait_seconds")
	wantValue(t, m, 2, "kvconnect_checkpoint_duration_seconds")
	wantValue(t, m, 1, "kvconnect_checkpoint_failures_total")
	wantValue(t, m, 7, "kvconnect_expired_keys_swept_total")
	wantValue(t, m, 1, "kvconnect_expiry_lag_seconds")
	if sum := families(t, m)["kvconnect_commit_group_writes"].GetMetric()[0].GetHistogram().GetSampleSum(); sum != 4 {
		t.Errorf("%v writes in all, want 4", sum)
	}
}

// Each histogram has both kinds of buckets.
func TestHistogramsAreNativeToo(t *testing.T) {
	t.Parallel()
	m := metrics.New(metrics.Options{})
	exercise(m)
	for name, family := range families(t, m) {
		histogram := family.GetMetric()[0].GetHistogram()
		if histogram == nil || !strings.HasPrefix(name, "kvconnect_") {
			continue
		}
		if len(histogram.GetBucket()) < 5 || len(histogram.GetPositiveSpan()) == 0 {
			t.Errorf("%s has %d buckets, and %d spans of native ones", name, len(histogram.GetBucket()), len(histogram.GetPositiveSpan()))
		}
	}
}

func TestBuildInfo(t *testing.T) {
	t.Parallel()
	info := families(t, metrics.New(metrics.Options{Version: "v1.2.3", Revision: "abc"}))["kvconnect_build_info"].GetMetric()[0]
	labels := make(map[string]string)
	for _, label := range info.GetLabel() {
		labels[label.GetName()] = label.GetValue()
	}
	if labels["version"] != "v1.2.3" || labels["revision"] != "abc" || !strings.HasPrefix(labels["goversion"], "go") || info.GetGauge().GetValue() != 1 {
		t.Errorf("%v", info)
	}
}

// An observation takes no memory, however often it comes.
func TestObservationsTakeNoMemory(t *testing.T) { //nolint:paralleltest // others would be counted
	for name, options := range map[string]metrics.Options{"together": {}, "per database": {PerDatabase: true}} {
		m := metrics.New(options)
		request := ended(kvconnect.MethodAtomicWrite, http.StatusBadRequest, "type_mismatch")
		request.DatabaseID = uuid.New()
		n := testing.AllocsPerRun(1000, func() {
			m.RequestBegun(request.Method)
			m.RequestEnded(request)
			m.WatchOpened(request.DatabaseID)
			m.WatchDelivered(request.DatabaseID, 10, time.Millisecond)
			m.WatchClosed(request.DatabaseID)
			m.GroupCommitted(1, time.Millisecond)
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
