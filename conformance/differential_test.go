package conformance

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
)

var (
	differentialRequests = flag.Int("differential.requests", 2000, "how many requests TestDifferential sends over each transport, and to the oracle")
	differentialSeed     = flag.Uint64("differential.seed", 1, "the seed of the requests of TestDifferential")
)

const (
	// answerPatience is for one request; an oracle that hangs is found by it.
	answerPatience = 30 * time.Second

	// wholeEvery is after how many requests the whole databases are compared.
	wholeEvery = 100

	// faultsShowIn is how many requests meet every known fault.
	faultsShowIn = 200_000
)

// The same requests, valid and invalid, go to the server and to the oracle. Their
// answers and their databases must be the same but for the listed faults of the
// oracle.
func TestDifferential(t *testing.T) {
	t.Parallel()
	needClients(t)
	overTransports(t, runDifferential)
}

func runDifferential(t *testing.T, over transportKind) {
	d := newDifferential(t, serverOptions{transport: over}.start(t).url, startOracle(t), *differentialSeed)
	start := time.Now()
	for i := range *differentialRequests {
		if err := d.step(); err != nil {
			t.Fatalf("request %d of the seed %d: %v", i, *differentialSeed, err)
		}
		if i%wholeEvery != 0 {
			continue
		}
		if err := d.compareAll(); err != nil {
			t.Fatalf("after request %d of the seed %d: %v", i, *differentialSeed, err)
		}
	}
	if err := d.compareAll(); err != nil {
		t.Fatalf("in the end, with the seed %d: %v", *differentialSeed, err)
	}
	t.Logf("%d requests in %v: %v", *differentialRequests, time.Since(start).Round(time.Millisecond), d.met)
	for _, fault := range oracleFaults {
		t.Logf("%d times: %s", d.faults[fault.reason], fault.reason)
		if *differentialRequests >= faultsShowIn && d.faults[fault.reason] == 0 {
			t.Errorf("listed as a fault of the oracle, but never met: %s", fault.reason)
		}
	}
}

// differential holds a server against the oracle.
type differential struct {
	ctx          context.Context //nolint:containedctx // of one test, which has no other way to pass it on
	client       *http.Client
	ours, oracle *httpDatabase
	random       *randomRequests
	pairs        *versionPairs  // of ours and the oracle
	met          map[string]int // how often each kind of answer was met
	faults       map[string]int // how often each fault of the oracle was met, by its reason

	oracleURL       string
	oracleDatabases int // that were opened
}

func newDifferential(t *testing.T, ours, oracle string, seed uint64) *differential {
	t.Helper()
	d := &differential{
		ctx: t.Context(), client: httpClients["HTTP2"](), oracleURL: oracle,
		random: newRandomRequests(seed), pairs: newVersionPairs(protocol.Versionstamp{}),
		met: make(map[string]int), faults: make(map[string]int),
	}
	t.Cleanup(d.client.CloseIdleConnections)
	var err error
	if d.ours, err = openHTTP(t.Context(), d.client, ours, processToken); err != nil {
		t.Fatalf("ours: %v", err)
	}
	if err := d.openOracle(); err != nil {
		t.Fatalf("the oracle: %v", err)
	}
	return d
}

// step makes one request of both and looks at what came of it.
func (d *differential) step() error {
	e, err := d.exchange(d.random.next())
	if err != nil {
		return fmt.Errorf("%w\n%s", err, e)
	}
	d.met[e.kind()]++
	found, err := d.judge(e)
	switch {
	case err != nil:
		return fmt.Errorf("%w\n%s", err, e)
	case found == nil:
		if e.kind() == kindCommitted {
			d.note(e)
		}
		return nil
	case found.fault == nil:
		return d.reduce(found)
	}
	d.faults[found.fault.reason]++
	if e.anyMutation(isTooLongWithSuffix) {
		return d.renew() // what the oracle stored cannot be deleted from it
	}
	return d.wipe(e.touched())
}

// finding is a difference between ours and the oracle.
type finding struct {
	made  exchange     // that the difference comes of
	read  *exchange    // that shows it, if it is not in the answers
	fault *oracleFault // why it is to be expected, nil if it is not
}

func (f finding) String() string {
	switch {
	case f.read != nil:
		return fmt.Sprintf("the databases differ after it %s\n%s", f.read.diff(), f.made)
	case f.made.ours.accepted() && f.made.oracle.accepted():
		return fmt.Sprintf("%s %s\n%s", f.made.difference(), f.made.diff(), f.made)
	default:
		return fmt.Sprintf("%s\n%s", f.made.difference(), f.made)
	}
}

// judge compares the answers, and what they left in the databases. It gives nil if
// there is no difference.
func (d *differential) judge(e exchange) (*finding, error) {
	if e.difference() != "" {
		return &finding{made: e, fault: findFault(e, func(f *oracleFault) func(exchange) bool { return f.answer })}, nil
	}
	if e.kind() == kindRead || e.kind() == kindCheckFailed {
		return nil, nil
	}
	read, err := d.left(e.touched())
	if err != nil || read == nil {
		return nil, err
	}
	e.after = entriesOf(read.oracle.output)
	return &finding{made: e, read: read, fault: findFault(e, func(f *oracleFault) func(exchange) bool { return f.left })}, nil
}

// note lets the generator know what a committed write left.
func (d *differential) note(e exchange) {
	committed, _ := e.ours.output.(*datapath.AtomicWriteOutput)
	for _, m := range e.write().GetMutations() {
		switch m.GetMutationType() {
		case datapath.MutationType_M_DELETE:
			delete(d.random.versionstamps, string(m.GetKey()))
		case datapath.MutationType_M_SET_SUFFIX_VERSIONSTAMPED_KEY:
			key := protocol.VersionstampedKey(m.GetKey(), protocol.Versionstamp(committed.GetVersionstamp()))
			d.random.versionstamps[string(key)] = committed.GetVersionstamp()
		default:
			d.random.versionstamps[string(m.GetKey())] = committed.GetVersionstamp()
		}
	}
}
