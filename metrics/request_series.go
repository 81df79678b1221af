package metrics

import (
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/prometheus/client_golang/prometheus"
)

// methodCount is the number of kvconnect.Methods, of which the last is kvconnect.MethodOther.
const methodCount = 5

// methodIndex gives the place of a method among kvconnect.Methods.
func methodIndex(method kvconnect.Method) int {
	switch method {
	case kvconnect.MethodMetadata:
		return 0
	case kvconnect.MethodSnapshotRead:
		return 1
	case kvconnect.MethodAtomicWrite:
		return 2
	case kvconnect.MethodWatch:
		return 3
	default:
		return methodCount - 1
	}
}

// The statuses of HTTP. What is none of them is told as that of a fault of the server.
const (
	minStatus = 100
	maxStatus = 599
)

// The outcomes of atomic writes.
const (
	outcomeCommitted   = "committed"
	outcomeCheckFailed = "check_failed"
	outcomeDisabled    = "disabled"
	outcomeRejected    = "rejected"
)

// requestSeries is what is told of requests.
type requestSeries struct {
	methods [methodCount]methodSeries

	requests *prometheus.CounterVec // by method and status
	failures *reasonCounters        // by method and reason
	refusals *reasonCounters        // of tokens, by reason

	committed, checkFailed, disabled, rejected prometheus.Counter
}

// methodSeries is what is told of the requests of one method.
type methodSeries struct {
	inFlight atomic.Int64
	// byStatus are counters of requestSeries.requests; nil for a status that was none yet.
	byStatus          [maxStatus - minStatus + 1]atomic.Pointer[prometheus.Counter]
	seconds           prometheus.Observer
	bytesIn, bytesOut prometheus.Counter
}

func (s *requestSeries) register(registry prometheus.Registerer) {
	s.requests = prometheus.NewCounterVec(counterOpts("requests_total",
		"Requests that were answered. Health checks are none."), []string{"method", "status"})
	seconds := prometheus.NewHistogramVec(histogramOpts("request_duration_seconds",
		"Time from when the body of a request was there until its reply was ready; of a watch, until its first frame was.",
		secondsBuckets()), []string{"method"})
	bytesIn := prometheus.NewCounterVec(counterOpts("request_bytes_total",
		"Bytes of the bodies of requests."), []string{"method"})
	bytesOut := prometheus.NewCounterVec(counterOpts("response_bytes_total",
		"Bytes of the bodies of replies; of a watch, those of its first frame."), []string{"method"})
	writes := prometheus.NewCounterVec(counterOpts("atomic_writes_total",
		"Atomic writes by outcome: those that were rejected have a reason in kvconnect_request_failures_total."),
		[]string{"outcome"})
	s.failures = newReasonCounters(counterOpts("request_failures_total",
		"Requests that were answered with an error, by reason."), "method")
	s.refusals = newReasonCounters(counterOpts("auth_failures_total",
		"Requests whose token does not open what they ask for, by reason."))
	registry.MustRegister(s.requests, seconds, bytesIn, bytesOut, writes, s.failures, s.refusals)

	s.committed = writes.WithLabelValues(outcomeCommitted)
	s.checkFailed = writes.WithLabelValues(outcomeCheckFailed)
	s.disabled = writes.WithLabelValues(outcomeDisabled)
	s.rejected = writes.WithLabelValues(outcomeRejected)
	for _, name := range kvconnect.Methods() {
		method := &s.methods[methodIndex(name)]
		method.bytesIn, method.bytesOut = bytesIn.WithLabelValues(string(name)), bytesOut.WithLabelValues(string(name))
		method.seconds = seconds.WithLabelValues(string(name))
		if name != kvconnect.MethodOther { // for which there is nothing to be had
			s.ofStatus(name, http.StatusOK)
		}
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Name: "requests_in_flight",
			Help:        "Requests that are being served. Open watches are none, once they have got their first frame.",
			ConstLabels: prometheus.Labels{"method": string(name)},
		}, func() float64 { return float64(method.inFlight.Load()) }))
	}
}

// ofStatus gives the counter of the requests of a method with that status.
func (s *requestSeries) ofStatus(method kvconnect.Method, status int) prometheus.Counter {
	if status < minStatus || status > maxStatus {
		status = http.StatusInternalServerError
	}
	place := &s.methods[methodIndex(method)].byStatus[status-minStatus]
	if counter := place.Load(); counter != nil {
		return *counter
	}
	counter := s.requests.WithLabelValues(knownMethod(method), strconv.Itoa(status)) // the same for all who are here
	place.Store(&counter)
	return counter
}

// knownMethod gives one of kvconnect.Methods, so that there are no more labels than those.
func knownMethod(method kvconnect.Method) string {
	if methodIndex(method) == methodCount-1 {
		method = kvconnect.MethodOther
	}
	return string(method)
}

// RequestBegun implements kvconnect.Observer.
func (m *Metrics) RequestBegun(method kvconnect.Method) {
	m.methods[methodIndex(method)].inFlight.Add(1)
}

// RequestEnded implements kvconnect.Observer.
func (m *Metrics) RequestEnded(request kvconnect.Request) {
	method := &m.methods[methodIndex(request.Method)]
	if request.Served {
		method.inFlight.Add(-1)
		method.seconds.Observe(request.Took.Seconds())
	}
	m.ofStatus(request.Method, request.Status).Inc()
	method.bytesIn.Add(float64(request.BytesIn))
	method.bytesOut.Add(float64(request.BytesOut))
	if request.Method == kvconnect.MethodAtomicWrite {
		m.outcome(request).Inc()
	}
	if request.Reason != "" {
		m.failed(request)
	}
	if m.slots != nil {
		m.slots.requestEnded(request)
	}
}

// outcome gives the counter of what became of an atomic write.
func (s *requestSeries) outcome(request kvconnect.Request) prometheus.Counter {
	switch {
	case request.Reason != "" || request.Status != http.StatusOK:
		return s.rejected
	case request.AtomicWrite == protocol.AtomicWriteCheckFailed:
		return s.checkFailed
	case request.AtomicWrite == protocol.AtomicWriteDisabled:
		return s.disabled
	default:
		return s.committed
	}
}

// failed counts a request that failed.
func (s *requestSeries) failed(request kvconnect.Request) {
	s.failures.of(knownMethod(request.Method), request.Reason).Inc()
	if isRefusal(request) {
		s.refusals.of("", request.Reason).Inc()
	}
}

// isRefusal tells whether the token of a request does not open what it asks for. A database
// that the token is not for is one that is not there; a path that is not there is none.
func isRefusal(request kvconnect.Request) bool {
	switch request.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return true
	case http.StatusNotFound:
		return request.Method != kvconnect.MethodOther
	default:
		return false
	}
}
