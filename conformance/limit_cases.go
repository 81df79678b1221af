package conformance

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
	"google.golang.org/protobuf/proto"
)

// limit is a bound on something in a request. Its numbers stand here once more, as
// the specification of this server has them, so that one that changes by mistake is
// noticed.
type limit struct {
	name string
	// served are numbers within the bound, the bound itself among them, and
	// refused such beyond it.
	served, refused []int
	// status and text are the reply to a call beyond the bound, with {n} for the
	// number. The status may be left out if it is 400.
	status int
	text   string
	// call gives the call for a number. All that it writes begins with the prefix
	// of the probe.
	call func(p *probe, n int) wireCall
}

// wireCall is a request as it goes over the wire.
type wireCall struct {
	url    string
	header http.Header
	body   []byte
	// unsized leaves the Content-Length out.
	unsized bool
	// done checks that the call did all that it asked for.
	done func(reply wireReply)
}

// wireReply is the reply to a wireCall.
type wireReply struct {
	reply
	// state is the first one of a watch.
	state *protocol.WatchOutput
}

// http gives the database of a case that runs over HTTP alone.
func (p *probe) http() *httpDatabase {
	db, ok := p.db.(*httpDatabase)
	if !ok {
		failf("the case needs HTTP, not a %T", p.db)
	}
	return db
}

// wire makes the call of a method of the data path.
func (p *probe) wire(method string, message proto.Message, done func(wireReply)) wireCall {
	db := p.http()
	body, err := proto.Marshal(message)
	p.ok(err)
	return wireCall{url: db.url(method), header: db.header(), body: body, done: done}
}

// send makes a call whatever becomes of it. It reads a reply whole, of a watch its
// first state.
func (p *probe) send(c wireCall) wireReply {
	request, err := http.NewRequestWithContext(p.ctx, http.MethodPost, c.url, bytes.NewReader(c.body))
	p.ok(err)
	request.Header = c.header
	if c.unsized {
		request.ContentLength = -1
	}
	response, err := p.http().client.Do(request)
	p.ok(err)
	defer func() { _ = response.Body.Close() }() // only read
	got := wireReply{reply: reply{status: response.StatusCode, header: response.Header}}
	if response.StatusCode == http.StatusOK && response.Header.Get("Content-Type") == "application/octet-stream" {
		for got.state == nil && err == nil { // some servers begin with empty frames
			got.state, err = readFrame(response.Body)
		}
	} else {
		got.body, err = io.ReadAll(response.Body)
	}
	p.ok(err)
	return got
}

// watched gives the entries of the first state of a watch.
func (r wireReply) watched() []*protocol.Entry {
	if r.state == nil {
		failf("a watch was answered with the content type %q", r.header.Get("Content-Type"))
	}
	return r.state.Entries
}

// part gives a probe with a prefix of its own.
func (p *probe) part(n int) *probe {
	return &probe{ctx: p.ctx, db: p.db, prefix: fmt.Sprintf("%s %d", p.prefix, n)}
}

// everything gives the first 1000 entries under the prefix of the probe.
func (p *probe) everything() []protocol.Entry {
	start := p.key()
	end := slices.Clone(start)
	end[len(end)-1]++ // in place of the end of the prefix
	return p.ranges(protocol.ReadRange{Start: start, End: end, Limit: protocol.MaxReadEntries})[0]
}

// naming tells for which number a case failed.
func naming(n int, f func()) {
	defer func() {
		r := recover()
		if failed, ok := r.(failure); ok {
			r = failure{fmt.Errorf("%d: %w", n, failed.err)}
		}
		if r != nil {
			panic(r)
		}
	}()
	f()
}

func (l limit) statusBeyond() int {
	if l.status == 0 {
		return http.StatusBadRequest
	}
	return l.status
}

// run makes the calls on both sides of the bound: those within it do what they ask
// for, and those beyond it nothing at all.
func (l limit) run(p *probe) {
	for _, n := range l.served {
		naming(n, func() {
			call := l.call(p.part(n), n)
			reply := p.send(call)
			if reply.status != http.StatusOK {
				failf("%w", reply.err())
			}
			call.done(reply)
		})
	}
	for _, n := range l.refused {
		naming(n, func() {
			part := p.part(n)
			call := l.call(part, n)
			before := part.everything()
			p.equal("status", p.send(call).status, l.statusBeyond())
			p.equal("entries", part.everything(), before)
		})
	}
}

// limitCases hold for every server but for one case: the texts are this server's own.
func limitCases(url, token string) []testCase {
	limits := slices.Concat(mutationLimits(), writeLimits(), readLimits(), watchLimits(), bodyLimits(url, token))
	cases := make([]testCase, 0, len(limits)+1)
	for _, l := range limits {
		cases = append(cases, testCase{"limits/" + l.name, l.run})
	}
	return append(cases, testCase{"limits/texts", func(p *probe) {
		for _, l := range limits {
			for _, n := range l.refused {
				reply := p.send(l.call(p.part(n), n))
				want := strings.ReplaceAll(l.text, "{n}", strconv.Itoa(n))
				p.equal(fmt.Sprintf("%s, %d", l.name, n), string(reply.body), want)
			}
		}
	}})
}

// longKey gives a key of n bytes that begins with the parts, or none for 0. It is
// valid: each byte 0x27 is a part, the value true.
func (p *probe) longKey(n int, parts ...any) []byte {
	if n == 0 {
		return nil
	}
	key := p.key(parts...)
	return append(key, bytes.Repeat([]byte{0x27}, n-len(key))...)
}

// committed gives the versionstamp of a write that was committed.
func (p *probe) committed(reply wireReply) protocol.Versionstamp {
	var output datapath.AtomicWriteOutput
	p.ok(proto.Unmarshal(reply.body, &output))
	p.equal("status of the write", output.GetStatus(), datapath.AtomicWriteStatus_AW_SUCCESS)
	v, err := protocol.ParseVersionstamp(output.GetVersionstamp())
	p.ok(err)
	return v
}

func wireSet(key []byte, valueBytes int) *datapath.Mutation {
	return &datapath.Mutation{
		Key: key, MutationType: datapath.MutationType_M_SET,
		Value: &datapath.KvValue{Data: make([]byte, valueBytes), Encoding: datapath.ValueEncoding_VE_BYTES},
	}
}

// beside gives a mutation that goes with the one that is looked at, and tells
// whether any of the write was done.
func (p *probe) beside() *datapath.Mutation { return wireSet(p.key("beside"), 0) }
