package conformance

import (
	"bytes"
	"context"
	"crypto/rand"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/kvconnect/kvconnect/protocol"
)

// probe is what a case works with. Its methods end the case when something is not
// as it should be. It is safe for concurrent use as far as its methods do not end
// the case, which only the case's own goroutine may do.
type probe struct {
	ctx    context.Context //nolint:containedctx // of one case, which has no other way to pass it on
	db     database
	prefix string
}

func newProbe(ctx context.Context, db database) *probe {
	return &probe{ctx: ctx, db: db, prefix: "conformance-" + rand.Text()}
}

// key gives the encoded key of the parts under the prefix of the case.
func (p *probe) key(parts ...any) []byte {
	key, err := append(protocol.Key{p.prefix}, parts...).Encode()
	p.ok(err)
	return key
}

func (p *probe) ok(err error) {
	if err != nil {
		failf("%w", err)
	}
}

// equal compares; a range without entries may be nil or empty.
func (p *probe) equal(what string, got, want any) {
	emptyIsNil := cmp.FilterValues(func(a, b []protocol.Entry) bool { return len(a) == 0 && len(b) == 0 }, cmp.Ignore())
	// At once: byte by byte takes too long for the longest values.
	sameBytes := cmp.Comparer(func(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) })
	if diff := cmp.Diff(want, got, emptyIsNil, sameBytes); diff != "" {
		failf("%s (-want +got):\n%s", what, diff)
	}
}

// write makes an atomic write whatever becomes of it.
func (p *probe) write(checks []protocol.Check, mutations ...protocol.Mutation) protocol.AtomicWriteOutput {
	output, err := p.db.atomicWrite(p.ctx, protocol.AtomicWrite{Checks: checks, Mutations: mutations})
	p.ok(err)
	return output
}

// commit makes an atomic write that must be committed.
func (p *probe) commit(mutations ...protocol.Mutation) protocol.Versionstamp {
	output := p.write(nil, mutations...)
	p.equal("status of the write", output.Status, protocol.AtomicWriteCommitted)
	return output.Versionstamp
}

// mustFail makes an atomic write that must be refused with the text.
func (p *probe) mustFail(text string, mutations ...protocol.Mutation) {
	_, err := p.db.atomicWrite(p.ctx, protocol.AtomicWrite{Mutations: mutations})
	if err == nil || !strings.Contains(err.Error(), text) {
		failf("the write ended with %v, want an error that says %q", err, text)
	}
}

func (p *probe) ranges(ranges ...protocol.ReadRange) [][]protocol.Entry {
	output, err := p.db.snapshotRead(p.ctx, protocol.SnapshotRead{Ranges: ranges})
	p.ok(err)
	p.equal("number of ranges", len(output.Ranges), len(ranges))
	return output.Ranges
}

// get gives the entry of a key, nil if it is absent. It reads the way Deno does.
func (p *probe) get(key []byte) *protocol.Entry {
	entries := p.ranges(protocol.ReadRange{Start: key, End: append(slices.Clone(key), 0), Limit: 1})[0]
	switch {
	case len(entries) == 0:
		return nil
	case len(entries) > 1 || !bytes.Equal(entries[0].Key, key):
		failf("a get of %x gave %v", key, entries)
	}
	return &entries[0]
}

// wantValue checks the value and versionstamp of a key.
func (p *probe) wantValue(key []byte, value protocol.Value, versionstamp protocol.Versionstamp) {
	p.equal("entry", p.get(key), &protocol.Entry{Key: key, Value: value, Versionstamp: versionstamp})
}

func (p *probe) wantAbsent(key []byte) {
	if entry := p.get(key); entry != nil {
		failf("the key is not absent: %v", entry)
	}
}

func text(s string) protocol.Value {
	return protocol.Value{Data: []byte(s), Encoding: protocol.EncodingBytes}
}

func set(key []byte, value protocol.Value) protocol.Mutation {
	return protocol.Mutation{Type: protocol.MutationSet, Key: key, Value: value}
}

func setUntil(key []byte, value protocol.Value, expireAtMs int64) protocol.Mutation {
	return protocol.Mutation{Type: protocol.MutationSet, Key: key, Value: value, ExpireAtMs: expireAtMs}
}

func del(key []byte) protocol.Mutation {
	return protocol.Mutation{Type: protocol.MutationDelete, Key: key}
}

func u64(kind protocol.MutationType, key []byte, operand uint64) protocol.Mutation {
	return protocol.Mutation{Type: kind, Key: key, Value: protocol.U64Value(operand)}
}
