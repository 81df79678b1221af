package conformance

import (
	"errors"
	"fmt"
	"sync"

	"github.com/kvconnect/kvconnect/protocol"
)

// together runs f in n goroutines and ends the case with their errors.
func (p *probe) together(n int, f func(worker int) error) {
	errs := make([]error, n)
	var wait sync.WaitGroup
	for worker := range n {
		wait.Go(func() { errs[worker] = f(worker) })
	}
	wait.Wait()
	p.ok(errors.Join(errs...))
}

var concurrencyCases = []testCase{
	{"concurrency/no sum is lost", func(p *probe) {
		const workers, rounds = 16, 25
		key := p.key("a")
		p.together(workers, func(int) error {
			for range rounds {
				if _, err := p.db.atomicWrite(p.ctx, protocol.AtomicWrite{
					Mutations: []protocol.Mutation{u64(protocol.MutationSum, key, 1)},
				}); err != nil {
					return err
				}
			}
			return nil
		})
		p.equal("counter", p.get(key).Value, protocol.U64Value(workers*rounds))
	}},
	{"concurrency/of writes with the same check one wins", func(p *probe) {
		const workers = 16
		key := p.key("a")
		won := make([]bool, workers)
		p.together(workers, func(worker int) error {
			output, err := p.db.atomicWrite(p.ctx, protocol.AtomicWrite{
				Checks:    []protocol.Check{{Key: key}},
				Mutations: []protocol.Mutation{set(key, protocol.U64Value(uint64(worker)))},
			})
			won[worker] = output.Status == protocol.AtomicWriteCommitted
			return err
		})
		winners := 0
		for worker, wins := range won {
			if wins {
				winners++
				p.equal("value", p.get(key).Value, protocol.U64Value(uint64(worker)))
			}
		}
		p.equal("winners", winners, 1)
	}},
	{"concurrency/a snapshot read sees all of a write or nothing", func(p *probe) {
		keys := [][]byte{p.key("a"), p.key("b"), p.key("c")}
		ranges := make([]protocol.ReadRange, len(keys))
		var sums []protocol.Mutation
		for i, key := range keys {
			ranges[i] = protocol.ReadRange{Start: key, End: append(key[:len(key):len(key)], 0), Limit: 1}
			sums = append(sums, u64(protocol.MutationSum, key, 1))
		}
		p.commit(sums...)
		p.together(8, func(worker int) error {
			for range 30 {
				if worker%2 == 0 {
					if _, err := p.db.atomicWrite(p.ctx, protocol.AtomicWrite{Mutations: sums}); err != nil {
						return err
					}
					continue
				}
				output, err := p.db.snapshotRead(p.ctx, protocol.SnapshotRead{Ranges: ranges})
				if err != nil {
					return err
				}
				for i := range ranges {
					if output.Ranges[i][0].Versionstamp != output.Ranges[0][0].Versionstamp {
						return fmt.Errorf("a snapshot read mixes two commits: %v", output.Ranges)
					}
				}
			}
			return nil
		})
	}},
	{"concurrency/a write is seen by every read after it", func(p *probe) {
		p.together(8, func(worker int) error {
			key := p.key(float64(worker))
			for range 20 {
				output, err := p.db.atomicWrite(p.ctx, protocol.AtomicWrite{Mutations: []protocol.Mutation{set(key, text(""))}})
				if err != nil {
					return err
				}
				read, err := p.db.snapshotRead(p.ctx, protocol.SnapshotRead{
					Ranges: []protocol.ReadRange{{Start: key, End: append(key[:len(key):len(key)], 0), Limit: 1}},
				})
				if err != nil {
					return err
				}
				if len(read.Ranges[0]) != 1 || read.Ranges[0][0].Versionstamp != output.Versionstamp {
					return fmt.Errorf("after the write %s a read gave %v", output.Versionstamp, read.Ranges[0])
				}
			}
			return nil
		})
	}},
}
