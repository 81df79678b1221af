package conformance

import (
	"context"
	"encoding/binary"
	"slices"

	"github.com/kvconnect/kvconnect/protocol"
)

// versionNow gives the version of the latest commit, in 8 bytes.
func (p *probe) versionNow() []byte {
	v := p.commit()
	return v[:8]
}

// watch follows keys until stop is called.
func (p *probe) watch(keys ...[]byte) (states <-chan protocol.WatchOutput, stop func()) {
	ctx, cancel := context.WithCancel(p.ctx)
	states, err := p.db.watch(ctx, keys)
	if err != nil {
		cancel()
		p.ok(err)
	}
	return states, func() {
		cancel()
		for range states { // until the other side has ended
		}
	}
}

// await takes states until one is the wanted; those on the way may collapse.
func (p *probe) await(states <-chan protocol.WatchOutput, want ...*protocol.Entry) {
	wanted := protocol.WatchOutput{Entries: want}.Versionstamps()
	for state := range states {
		if slices.Equal(state.Versionstamps(), wanted) {
			p.equal("state", state.Entries, want)
			return
		}
	}
	failf("the watch ended before it told of %v", want)
}

func entry(key []byte, value protocol.Value, v protocol.Versionstamp) *protocol.Entry {
	return &protocol.Entry{Key: key, Value: value, Versionstamp: v}
}

var watchCases = []testCase{
	{"watch/first state", func(p *probe) {
		key, absent := p.key("a"), p.key("b")
		v := p.commit(set(key, text("1")))
		states, stop := p.watch(key, absent)
		defer stop()
		p.equal("first state", (<-states).Entries, []*protocol.Entry{entry(key, text("1"), v), nil})
	}},
	{"watch/set, overwrite and delete", func(p *probe) {
		key := p.key("a")
		states, stop := p.watch(key)
		defer stop()
		p.await(states, nil)
		p.await(states, entry(key, text("1"), p.commit(set(key, text("1")))))
		p.await(states, entry(key, text("2"), p.commit(set(key, text("2")))))
		p.commit(del(key))
		p.await(states, nil)
	}},
	{"watch/counter", func(p *probe) {
		key := p.key("a")
		states, stop := p.watch(key)
		defer stop()
		p.await(states, nil)
		p.await(states, entry(key, protocol.U64Value(1), p.commit(u64(protocol.MutationSum, key, 1))))
	}},
	{"watch/every frame has every key", func(p *probe) {
		a, b := p.key("a"), p.key("b")
		v := p.commit(set(a, text("1")))
		states, stop := p.watch(a, b)
		defer stop()
		p.await(states, entry(a, text("1"), v), nil)
		p.await(states, entry(a, text("1"), v), entry(b, text("2"), p.commit(set(b, text("2")))))
	}},
	{"watch/both keys of one write change together", func(p *probe) {
		a, b := p.key("a"), p.key("b")
		states, stop := p.watch(a, b)
		defer stop()
		p.await(states, nil, nil)
		const rounds = 50
		go func() {
			for range rounds {
				if _, err := p.db.atomicWrite(p.ctx, protocol.AtomicWrite{Mutations: []protocol.Mutation{
					u64(protocol.MutationSum, a, 1), u64(protocol.MutationSum, b, 1),
				}}); err != nil {
					return // the case then waits in vain, and ends with its time
				}
			}
		}()
		for state := range states {
			if state.Entries[0] == nil || state.Entries[1] == nil {
				failf("one key has changed without the other: %v", state.Entries)
			}
			p.equal("second value", state.Entries[1].Value, state.Entries[0].Value)
			if n, _ := state.Entries[0].Value.U64(); n == rounds {
				return
			}
		}
		failf("the watch ended early")
	}},
	{"watch/versionstamped key under its final name", func(p *probe) {
		mutation := protocol.Mutation{Type: protocol.MutationSetVersionstampedKey, Key: p.key("log"), Value: text("1")}
		// The name is not known before the write, so all that are likely are
		// watched, until one of them is it: others may write in between.
		for range 50 {
			next := binary.BigEndian.Uint64(p.versionNow()) + 1
			keys := make([][]byte, protocol.MaxWatchedKeys)
			want := make([]*protocol.Entry, len(keys))
			for i := range keys {
				keys[i] = p.key("log", protocol.VersionstampOf(int64(next)+int64(i)).String())
			}
			states, stop := p.watch(keys...)
			p.await(states, want...)
			v := p.commit(mutation)
			i := binary.BigEndian.Uint64(v[:]) - next
			if i < uint64(len(keys)) {
				want[i] = entry(keys[i], text("1"), v)
				p.await(states, want...)
				stop()
				return
			}
			stop()
		}
		failf("the database is too busy to foresee a versionstamp")
	}},
	{"watch/many changes end at the last state", func(p *probe) {
		key := p.key("a")
		states, stop := p.watch(key)
		defer stop()
		var last protocol.Versionstamp
		for range 200 {
			last = p.commit(set(key, text("x")))
		}
		p.await(states, entry(key, text("x"), last))
	}},
	{"watch/the same key twice", func(p *probe) {
		key := p.key("a")
		states, stop := p.watch(key, key)
		defer stop()
		p.await(states, nil, nil)
		v := p.commit(set(key, text("1")))
		p.await(states, entry(key, text("1"), v), entry(key, text("1"), v))
	}},
}
