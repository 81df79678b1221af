package conformance

import (
	"time"

	"github.com/kvconnect/kvconnect/protocol"
)

// soon is a time in the near future, long enough off to do something before it
// even on a machine that is busy.
func soon() int64 { return time.Now().Add(time.Second).UnixMilli() }

const past, farFuture = int64(1), int64(4e12)

// awaitExpiry waits until a watch tells that the key is absent, and checks that
// this is not before the time.
func awaitExpiry(p *probe, key []byte, expireAtMs int64) {
	states, stop := p.watch(key)
	defer stop()
	for state := range states {
		if state.Entries[0] == nil {
			if now := time.Now().UnixMilli(); now < expireAtMs {
				failf("the key expired %d ms too early", expireAtMs-now)
			}
			return
		}
	}
	failf("the watch ended before the key expired")
}

var expiryCases = []testCase{
	{"expiry/absent from its time on, and watchers are told", func(p *probe) {
		key, at := p.key("a"), soon()
		p.commit(setUntil(key, text("1"), at))
		if p.get(key) == nil && time.Now().UnixMilli() < at {
			failf("the key is absent before its time")
		}
		awaitExpiry(p, key, at)
		p.wantAbsent(key)
	}},
	{"expiry/a time that has passed", func(p *probe) {
		key := p.key("a")
		p.commit(set(key, text("1")))
		p.commit(setUntil(key, text("2"), past))
		p.wantAbsent(key)
	}},
	{"expiry/checks find an expired key absent", func(p *probe) {
		key := p.key("a")
		v := p.commit(setUntil(key, text("1"), past))
		p.equal("status with its versionstamp",
			p.write([]protocol.Check{{Key: key, Versionstamp: v}}).Status, protocol.AtomicWriteCheckFailed)
		p.equal("status with none",
			p.write([]protocol.Check{{Key: key}}).Status, protocol.AtomicWriteCommitted)
	}},
	{"expiry/a counter starts anew", func(p *probe) {
		key := p.key("a")
		p.commit(setUntil(key, protocol.U64Value(5), past))
		p.wantValue(key, protocol.U64Value(1), p.commit(u64(protocol.MutationSum, key, 1)))
	}},
	{"expiry/ranges leave expired keys out and still fill their limit", func(p *probe) {
		keys := fill(p, 5)
		p.commit(setUntil(keys[0], text(""), past), setUntil(keys[2], text(""), past))
		got := p.ranges(protocol.ReadRange{Start: keys[0], End: p.key(true), Limit: 2})[0]
		p.equal("keys", keysOf(got), [][]byte{keys[1], keys[3]})
	}},
	{"expiry/a later set without one takes it back", func(p *probe) {
		kept, marker, at := p.key("kept"), p.key("marker"), soon()
		p.commit(setUntil(kept, text("1"), at), setUntil(marker, text(""), at))
		v := p.commit(set(kept, text("2")))
		awaitExpiry(p, marker, at)
		p.wantValue(kept, text("2"), v)
	}},
	{"expiry/a sum takes it back", func(p *probe) {
		kept, marker, at := p.key("kept"), p.key("marker"), soon()
		p.commit(setUntil(kept, protocol.U64Value(1), at), setUntil(marker, text(""), at))
		v := p.commit(u64(protocol.MutationSum, kept, 1))
		want := protocol.U64Value(2)
		if time.Now().UnixMilli() >= at && p.get(kept) != nil {
			want = p.get(kept).Value // too late to tell whether it came before the expiry
		}
		awaitExpiry(p, marker, at)
		p.wantValue(kept, want, v)
	}},
	{"expiry/a later set moves it", func(p *probe) {
		key, marker, at := p.key("a"), p.key("marker"), soon()
		p.commit(setUntil(key, text("1"), at), setUntil(marker, text(""), at))
		v := p.commit(setUntil(key, text("2"), farFuture))
		awaitExpiry(p, marker, at)
		p.wantValue(key, text("2"), v)
	}},
	{"expiry/versionstamped key", func(p *probe) {
		v := p.commit(protocol.Mutation{
			Type: protocol.MutationSetVersionstampedKey, Key: p.key("log"), Value: text(""), ExpireAtMs: past,
		})
		p.wantAbsent(p.key("log", v.String()))
	}},
}
