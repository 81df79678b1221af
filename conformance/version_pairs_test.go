package conformance

import (
	"encoding/hex"
	"fmt"
	"regexp"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
	"google.golang.org/protobuf/proto"
)

// versionPairs knows which versionstamps of two servers belong to the same write.
// All that a test says to the second server, and hears from it, goes through it,
// so that the test has to do with the versionstamps of the first one alone.
type versionPairs struct {
	second    map[protocol.Versionstamp]protocol.Versionstamp // by the first server's
	first     map[protocol.Versionstamp]protocol.Versionstamp // by the second server's
	last      protocol.Versionstamp                           // of the first server
	lastOther protocol.Versionstamp                           // of the second server
}

// newVersionPairs knows none, but that those of the first server come after last.
func newVersionPairs(last protocol.Versionstamp) *versionPairs {
	return &versionPairs{
		last:   last,
		second: make(map[protocol.Versionstamp]protocol.Versionstamp),
		first:  make(map[protocol.Versionstamp]protocol.Versionstamp),
	}
}

// add takes the versionstamps that both servers gave to a write. On each they
// must increase.
func (p *versionPairs) add(first, second protocol.Versionstamp) error {
	if first.String() <= p.last.String() || second.String() <= p.lastOther.String() {
		return fmt.Errorf("the versionstamps %s and %s came after %s and %s", first, second, p.last, p.lastOther)
	}
	p.last, p.lastOther = first, second
	p.second[first], p.first[second] = second, first
	return nil
}

// suffix is what a versionstamped key ends with. Keys may be made from such keys.
var suffix = regexp.MustCompile("\x02[0-9a-f]{20}\x00")

// translateKey puts other versionstamps into a key.
func translateKey(key []byte, pairs map[protocol.Versionstamp]protocol.Versionstamp) []byte {
	return suffix.ReplaceAllFunc(key, func(part []byte) []byte {
		var v protocol.Versionstamp
		if _, err := hex.Decode(v[:], part[1:len(part)-1]); err != nil {
			return part
		}
		if other, known := pairs[v]; known {
			return []byte("\x02" + other.String() + "\x00")
		}
		return part
	})
}

func translateVersionstamp(raw []byte, pairs map[protocol.Versionstamp]protocol.Versionstamp) []byte {
	if len(raw) == protocol.VersionstampBytes {
		if other, known := pairs[protocol.Versionstamp(raw)]; known {
			return other[:]
		}
	}
	return raw
}

// toSecond gives the request as the second server is to get it.
func (p *versionPairs) toSecond(request proto.Message) proto.Message {
	request = proto.Clone(request)
	switch request := request.(type) {
	case *datapath.SnapshotRead:
		for _, r := range request.GetRanges() {
			r.Start, r.End = translateKey(r.GetStart(), p.second), translateKey(r.GetEnd(), p.second)
		}
	case *datapath.AtomicWrite:
		for _, check := range request.GetChecks() {
			check.Key = translateKey(check.GetKey(), p.second)
			check.Versionstamp = translateVersionstamp(check.GetVersionstamp(), p.second)
		}
		for _, mutation := range request.GetMutations() {
			mutation.Key = translateKey(mutation.GetKey(), p.second)
		}
	}
	return request
}

// toFirst changes a reply of the second server to what the first one would say.
func (p *versionPairs) toFirst(reply proto.Message) {
	switch reply := reply.(type) {
	case *datapath.SnapshotReadOutput:
		for _, r := range reply.GetRanges() {
			for _, entry := range r.GetValues() {
				entry.Key = translateKey(entry.GetKey(), p.first)
				entry.Versionstamp = translateVersionstamp(entry.GetVersionstamp(), p.first)
			}
		}
	case *datapath.AtomicWriteOutput:
		reply.Versionstamp = translateVersionstamp(reply.GetVersionstamp(), p.first)
	}
}
