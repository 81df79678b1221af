package conformance

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/google/go-cmp/cmp"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
)

// exchange is a request and what both servers say to it.
type exchange struct {
	request      request
	ours, oracle answer
	// before is what there was under the keys of a write, if it has sums.
	before []*datapath.KvEntry
	// after is what the oracle holds under them afterwards, if ours does not.
	after []*datapath.KvEntry
}

// answer is what a server says to a request.
type answer struct {
	status int
	text   string        // of a refusal
	output proto.Message // nil for a refusal; in the versionstamps of ours
}

func (a answer) accepted() bool { return a.status == http.StatusOK }

func (a answer) String() string {
	if a.accepted() {
		return messageText(a.output)
	}
	return fmt.Sprintf("%d %s\n", a.status, a.text)
}

// diff shows where two answers differ that accept the request.
func (e exchange) diff() string {
	return "(-oracle +ours):\n" + cmp.Diff(e.oracle.output, e.ours.output, protocmp.Transform())
}

func (e exchange) String() string {
	var out strings.Builder
	if e.request.message != nil {
		fmt.Fprintf(&out, "request: %s", messageText(e.request.message))
	} else {
		fmt.Fprintf(&out, "request: %s of the bytes %s\n", e.request.method, bytesText(e.request.body))
	}
	for _, entry := range e.before {
		fmt.Fprintf(&out, "before: %s", messageText(entry))
	}
	fmt.Fprintf(&out, "ours: %soracle: %s", e.ours, e.oracle)
	return out.String()
}

// exchange makes the request of both servers at once.
func (d *differential) exchange(r request) (exchange, error) {
	e := exchange{request: r}
	ours, oracles := r.body, r.body
	if r.body == nil {
		var err error
		if ours, err = proto.Marshal(r.message); err != nil {
			return e, err
		}
		if oracles, err = proto.Marshal(d.pairs.toSecond(r.message)); err != nil {
			return e, err
		}
	}
	if e.anyMutation(isSum) {
		var err error
		if e.before, err = d.entries(e.touched()); err != nil {
			return e, err
		}
	}
	var wait sync.WaitGroup
	var err1, err2 error
	wait.Go(func() { e.ours, err1 = d.ask(d.ours, r.method, ours) })
	wait.Go(func() { e.oracle, err2 = d.ask(d.oracle, r.method, oracles) })
	wait.Wait()
	if err1 != nil {
		return e, fmt.Errorf("ours: %w", err1)
	}
	if err2 != nil {
		return e, fmt.Errorf("the oracle: %w", err2)
	}
	if e.ours.accepted() && e.oracle.accepted() {
		if err := d.pair(e.ours.output, e.oracle.output); err != nil {
			return e, err
		}
		d.pairs.toFirst(e.oracle.output)
	}
	return e, nil
}

func (d *differential) ask(db *httpDatabase, method string, body []byte) (answer, error) {
	ctx, cancel := context.WithTimeout(d.ctx, answerPatience)
	defer cancel()
	reply, err := post(ctx, db.client, db.url(method), db.header(), body)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: reply.status}
	if !a.accepted() {
		// The addon adds where in its code the error arose.
		a.text, _, _ = strings.Cut(string(reply.body), "\n\nStack backtrace")
		return a, nil
	}
	a.output = &datapath.SnapshotReadOutput{}
	if method == "atomic_write" {
		a.output = &datapath.AtomicWriteOutput{}
	}
	return a, proto.Unmarshal(reply.body, a.output)
}

// pair notes the versionstamps of a write that both committed.
func (d *differential) pair(ours, oracles proto.Message) error {
	a, _ := ours.(*datapath.AtomicWriteOutput)
	b, _ := oracles.(*datapath.AtomicWriteOutput)
	if a.GetStatus() != datapath.AtomicWriteStatus_AW_SUCCESS || b.GetStatus() != datapath.AtomicWriteStatus_AW_SUCCESS {
		return nil
	}
	v, err := protocol.ParseVersionstamp(a.GetVersionstamp())
	if err != nil {
		return fmt.Errorf("ours: %w", err)
	}
	w, err := protocol.ParseVersionstamp(b.GetVersionstamp())
	if err != nil {
		return fmt.Errorf("the oracle: %w", err)
	}
	return d.pairs.add(v, w)
}

// write gives the atomic write that the request asks for; an empty one if it does
// not.
func (e exchange) write() *datapath.AtomicWrite {
	write, _ := e.request.message.(*datapath.AtomicWrite)
	return write
}

// The kinds of an answer.
const (
	kindRead        = "read"
	kindCommitted   = "committed"
	kindCheckFailed = "check failed"
	kindRefused     = "refused"
)

// kind tells what our server did.
func (e exchange) kind() string {
	output, isWrite := e.ours.output.(*datapath.AtomicWriteOutput)
	switch {
	case !e.ours.accepted():
		return kindRefused
	case !isWrite:
		return kindRead
	case output.GetStatus() == datapath.AtomicWriteStatus_AW_SUCCESS:
		return kindCommitted
	default:
		return kindCheckFailed
	}
}

// referenceTexts are what the messages begin with that programs match on.
var referenceTexts = []string{
	"Failed to perform", "Some of the parameters", "Min/max", "unsupported value type", "invalid v8 value",
	"operand cannot be empty", "The result of a Sum", "Cannot sum", "Cannot use",
}

func isReferenceText(text string) bool {
	return slices.ContainsFunc(referenceTexts, func(start string) bool { return strings.HasPrefix(text, start) })
}

// difference tells how the answers differ, "" if they do not. The words in which a
// request is refused are each server's own but for the reference texts.
func (e exchange) difference() string {
	switch {
	case e.ours.status >= http.StatusInternalServerError:
		return "a fault of the server"
	case e.ours.accepted() != e.oracle.accepted():
		return "one accepts what the other one refuses"
	case e.ours.accepted():
		if proto.Equal(e.ours.output, e.oracle.output) {
			return ""
		}
		return "the answers differ"
	case isReferenceText(e.ours.text) || isReferenceText(e.oracle.text):
		if e.ours.text == e.oracle.text {
			return ""
		}
		return "the texts differ"
	default:
		return ""
	}
}
