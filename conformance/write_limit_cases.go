package conformance

import (
	"github.com/kvconnect/kvconnect/protocol/datapath"
	"google.golang.org/protobuf/proto"
)

const ofWrite = "atomic write: "

// writeLimits are the bounds on an atomic write as a whole, and on its checks.
func writeLimits() []limit {
	checked := func(p *probe, checks ...*datapath.Check) wireCall {
		write := &datapath.AtomicWrite{Checks: checks, Mutations: []*datapath.Mutation{p.beside()}}
		return p.wire("atomic_write", write, func(reply wireReply) {
			p.equal("versionstamp", p.get(p.key("beside")).Versionstamp, p.committed(reply))
		})
	}
	limits := []limit{
		{
			name: "key of a check", served: []int{2048, 2049}, refused: []int{2050},
			text: ofWrite + "check 0: " + keyIsTooLong + "2049",
			call: func(p *probe, n int) wireCall { return checked(p, &datapath.Check{Key: p.longKey(n)}) },
		},
		{
			name: "empty key of a check", refused: []int{0}, text: ofWrite + "check 0: " + keyIsEmpty,
			call: func(p *probe, _ int) wireCall { return checked(p, &datapath.Check{}) },
		},
		{
			name: "versionstamp of a check", served: []int{0, 10}, refused: []int{9, 11},
			text: ofWrite + "check 0: a versionstamp has exactly 10 bytes, or none to check that a key is absent, not {n}",
			call: func(p *probe, n int) wireCall {
				key := p.key("a")
				var v []byte
				if n > 0 {
					current := p.commit(set(key, text("")))
					v = append(current[:], 0)[:n]
				}
				return checked(p, &datapath.Check{Key: key, Versionstamp: v})
			},
		},
		{
			name: "checks", served: []int{99, 100}, refused: []int{101},
			text: ofWrite + "too many checks in one atomic write: {n}, at most 100",
			call: checksThatCount,
		},
		{
			name: "mutations", served: []int{999, 1000}, refused: []int{1001},
			text: ofWrite + "too many mutations in one atomic write: split it: {n} with the enqueues, at most 1000",
			call: func(p *probe, n int) wireCall {
				return p.wire("atomic_write", &datapath.AtomicWrite{Mutations: manySets(p, n)}, func(reply wireReply) {
					v := p.committed(reply)
					entries := p.everything()
					p.equal("number of entries", len(entries), n)
					for _, entry := range entries {
						p.equal("versionstamp", entry.Versionstamp, v)
					}
				})
			},
		},
		{
			// Queues are not served; they count all the same.
			name: "mutations and enqueues", refused: []int{1001},
			text: ofWrite + "too many mutations in one atomic write: split it: {n} with the enqueues, at most 1000",
			call: func(p *probe, n int) wireCall {
				return p.wire("atomic_write", &datapath.AtomicWrite{
					Mutations: manySets(p, n-1), Enqueues: []*datapath.Enqueue{{Payload: []byte{1}}},
				}, nil)
			},
		},
	}
	return append(limits, totalLimits()...)
}

// checksThatCount makes n checks that hold; and if they are served, once more with
// a last one that does not.
func checksThatCount(p *probe, n int) wireCall {
	write := &datapath.AtomicWrite{Mutations: []*datapath.Mutation{p.beside()}}
	for i := range n {
		write.Checks = append(write.Checks, &datapath.Check{Key: p.key("absent", float64(i))})
	}
	return p.wire("atomic_write", write, func(reply wireReply) {
		v := p.committed(reply)
		write.Checks[n-1] = &datapath.Check{Key: p.key("beside")}
		var output datapath.AtomicWriteOutput
		p.ok(proto.Unmarshal(p.send(p.wire("atomic_write", write, nil)).body, &output))
		p.equal("status with a last check that does not hold", output.GetStatus(), datapath.AtomicWriteStatus_AW_CHECK_FAILURE)
		p.wantValue(p.key("beside"), text(""), v)
	})
}

func manySets(p *probe, n int) []*datapath.Mutation {
	mutations := make([]*datapath.Mutation, n)
	for i := range mutations {
		mutations[i] = wireSet(p.key(float64(i)), 0)
	}
	return mutations
}

// totalLimits are the same bound several times: what tips the balance differs.
func totalLimits() []limit {
	var limits []limit
	for _, c := range []struct {
		name string
		// add makes the write n bytes larger. It gives the number of entries that
		// it adds.
		add func(p *probe, write *datapath.AtomicWrite, n int) int
	}{
		{"values", func(p *probe, write *datapath.AtomicWrite, n int) int {
			key := p.key("last")
			write.Mutations = append(write.Mutations, wireSet(key, n-len(key)))
			return 1
		}},
		{"keys of sets", func(p *probe, write *datapath.AtomicWrite, n int) int {
			keys := keysOfTotal(p, n)
			for _, key := range keys {
				write.Mutations = append(write.Mutations, wireSet(key, 0))
			}
			return len(keys)
		}},
		{"keys of deletes", func(p *probe, write *datapath.AtomicWrite, n int) int {
			for _, key := range keysOfTotal(p, n) {
				write.Mutations = append(write.Mutations, &datapath.Mutation{Key: key, MutationType: datapath.MutationType_M_DELETE})
			}
			return 0
		}},
		{"keys of checks", func(p *probe, write *datapath.AtomicWrite, n int) int {
			for _, key := range keysOfTotal(p, n) {
				write.Checks = append(write.Checks, &datapath.Check{Key: key})
			}
			return 0
		}},
		{"bounds of sums", func(_ *probe, write *datapath.AtomicWrite, n int) int {
			// No sum with bounds is served, and a set does not look at its own.
			write.Mutations[0].SumMin, write.Mutations[0].SumMax = make([]byte, n/2), make([]byte, n-n/2)
			return 0
		}},
	} {
		limits = append(limits, limit{
			name: "total with " + c.name, served: []int{819_199, 819_200}, refused: []int{819_201},
			text: ofWrite + "the atomic write is too large: split it: {n} bytes of keys and values, at most 819200",
			call: func(p *probe, n int) wireCall {
				const sets, valueBytes = 13, 60_000
				write := &datapath.AtomicWrite{}
				for i := range sets {
					mutation := wireSet(p.key(float64(i)), valueBytes)
					write.Mutations = append(write.Mutations, mutation)
					n -= len(mutation.GetKey()) + valueBytes
				}
				entries := sets + c.add(p, write, n)
				return p.wire("atomic_write", write, func(reply wireReply) {
					p.committed(reply)
					p.equal("number of entries", len(p.everything()), entries)
				})
			},
		})
	}
	return limits
}

// keysOfTotal gives different keys of n bytes together.
func keysOfTotal(p *probe, n int) [][]byte {
	const keyBytes = 1000
	var keys [][]byte
	for ; n >= 2*keyBytes; n -= keyBytes {
		keys = append(keys, p.longKey(keyBytes, "long", float64(len(keys))))
	}
	return append(keys, p.longKey(n, "long", float64(len(keys))))
}
