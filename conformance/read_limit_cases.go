package conformance

import (
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
	"google.golang.org/protobuf/proto"
)

const ofRead = "snapshot read: "

// readLimits are the bounds on a snapshot read.
func readLimits() []limit {
	// read makes a snapshot read of which each range has the keys of the list at its
	// place.
	read := func(p *probe, ranges []*datapath.ReadRange, want ...[][]byte) wireCall {
		return p.wire("snapshot_read", &datapath.SnapshotRead{Ranges: ranges}, func(reply wireReply) {
			var output datapath.SnapshotReadOutput
			p.ok(proto.Unmarshal(reply.body, &output))
			got := make([][][]byte, len(output.GetRanges()))
			for i, entries := range output.GetRanges() {
				for _, e := range entries.GetValues() {
					got[i] = append(got[i], e.GetKey())
				}
			}
			p.equal("keys of the ranges", got, want)
		})
	}
	// entries asks for n entries of which there are more.
	entries := func(p *probe, n int) wireCall {
		keys := fill(p, max(n, 0)+1)
		return read(p, []*datapath.ReadRange{{Start: keys[0], End: p.key(true), Limit: int32(n)}}, keys[:max(n, 0)]) //nolint:gosec // a number of the table
	}
	return []limit{
		{
			name: "start of a range", served: []int{2048, 2049}, refused: []int{2050},
			text: ofRead + "range 0: " + keyIsTooLong + "2049",
			call: func(p *probe, n int) wireCall {
				last := p.key("\xff")
				p.commit(set(last, text("")))
				return read(p, []*datapath.ReadRange{{Start: p.longKey(n, ""), End: p.key(true), Limit: 2}}, [][]byte{last})
			},
		},
		{
			name: "end of a range", served: []int{2048, 2049}, refused: []int{2050},
			text: ofRead + "range 0: " + keyIsTooLong + "2049",
			call: func(p *probe, n int) wireCall {
				longest := p.longKey(2047)
				p.commit(set(longest, text("")))
				return read(p, []*datapath.ReadRange{{Start: p.key(), End: p.longKey(n), Limit: 2}}, [][]byte{longest})
			},
		},
		{
			name: "longest key, read as a range", served: []int{2048}, refused: []int{2049},
			text: ofRead + "range 0: the key is too long: 2050 bytes, at most 2049",
			call: func(p *probe, n int) wireCall {
				key := p.longKey(n)
				if n <= 2048 {
					p.commit(set(key, text("")))
				}
				return read(p, []*datapath.ReadRange{{Start: key, End: append(key, 0), Limit: 1}}, [][]byte{key[:n:n]})
			},
		},
		{
			name: "ranges", served: []int{9, 10}, refused: []int{11},
			text: ofRead + "too many read ranges in one snapshot read: split it: {n}, at most 10",
			call: func(p *probe, n int) wireCall {
				keys := fill(p, n)
				ranges, want := make([]*datapath.ReadRange, n), make([][][]byte, n)
				for i, key := range keys {
					ranges[i], want[i] = &datapath.ReadRange{Start: key, End: append(key[:len(key):len(key)], 0), Limit: 1}, [][]byte{key}
				}
				return read(p, ranges, want...)
			},
		},
		{
			name: "least entries of a range", served: []int{1, 2}, refused: []int{0, -1, -1 << 31},
			text: ofRead + "range 0: the limit of a read range must be at least 1, not {n}",
			call: entries,
		},
		{
			name: "most entries of a range", served: []int{999, 1000}, refused: []int{1001, 1<<31 - 1},
			text: ofRead + "the read ranges ask for too many entries in one snapshot read: use a smaller limit or batchSize: {n}, at most 1000",
			call: func(p *probe, n int) wireCall {
				if n > 1000 {
					return read(p, []*datapath.ReadRange{{Start: p.key(), End: p.key(true), Limit: int32(n)}}) //nolint:gosec // a number of the table
				}
				return entries(p, n)
			},
		},
		{
			name: "entries of three ranges", served: []int{999, 1000}, refused: []int{1001},
			text: ofRead + "the read ranges ask for too many entries in one snapshot read: use a smaller limit or batchSize: {n}, at most 1000",
			call: func(p *probe, n int) wireCall {
				keys := fill(p, 3)
				whole := func(limit int) *datapath.ReadRange {
					return &datapath.ReadRange{Start: keys[0], End: p.key(true), Limit: int32(limit)} //nolint:gosec // a number of the table
				}
				return read(p, []*datapath.ReadRange{whole(400), whole(1), whole(n - 401)}, keys, keys[:1], keys)
			},
		},
	}
}

// watchLimits are the bounds on a watch.
func watchLimits() []limit {
	watch := func(p *probe, keys ...[]byte) wireCall {
		var message datapath.Watch
		var want []*protocol.Entry
		for _, key := range keys {
			message.Keys = append(message.Keys, &datapath.WatchKey{Key: key})
			want = append(want, nil)
			if len(key) > 0 && len(key) <= 2048 {
				want[len(want)-1] = entry(key, text("1"), p.commit(set(key, text("1"))))
			}
		}
		return p.wire("watch", &message, func(reply wireReply) { p.equal("first state", reply.watched(), want) })
	}
	return []limit{
		{
			name: "watched keys", served: []int{9, 10}, refused: []int{11},
			text: "watch: too many keys in one watch: open several watches: {n}, at most 10",
			call: func(p *probe, n int) wireCall {
				keys := make([][]byte, n)
				for i := range keys {
					keys[i] = p.key(float64(i))
				}
				return watch(p, keys...)
			},
		},
		{
			name: "key of a watch", served: []int{2048, 2049}, refused: []int{2050},
			text: "watch: key 0: " + keyIsTooLong + "2049",
			call: func(p *probe, n int) wireCall { return watch(p, p.longKey(n)) },
		},
		{
			name: "empty key of a watch", refused: []int{0}, text: "watch: key 0: " + keyIsEmpty,
			call: func(p *probe, _ int) wireCall { return watch(p, nil) },
		},
	}
}
