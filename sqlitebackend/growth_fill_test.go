package sqlitebackend_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// growthWorkingSetBytes is what the pages of those keys take that are read when what is
// read is to be in the page caches, however many keys there are.
const growthWorkingSetBytes = 4 << 20

// growthListEntries is how many entries a list has.
const growthListEntries = 100

// growing is a database of a given size.
type growing struct {
	backend    *sqlitebackend.Backend
	entries    int
	valueBytes int
}

// growthKey gives the i-th key in byte order: the string "user" and nine digits.
func growthKey(i int) []byte {
	key := []byte("\x02user000000000\x00")
	for digit := len(key) - 2; i > 0; digit-- {
		key[digit] += byte(i % 10)
		i /= 10
	}
	return key
}

// fill stores the entries in the order of their keys, with as few writes as the limits
// of one allow and a few of them at a time.
func (g growing) fill(ctx context.Context) error {
	const fillers = 4
	perWrite := min(protocol.MaxMutations, protocol.MaxAtomicWriteBytes/(g.valueBytes+len(growthKey(0))))
	var begun atomic.Int64
	errs := make([]error, fillers)
	var wait sync.WaitGroup
	for f := range errs {
		wait.Go(func() {
			for errs[f] == nil {
				end := int(begun.Add(int64(perWrite)))
				if end-perWrite >= g.entries {
					return
				}
				var atomicWrite protocol.AtomicWrite
				for i := end - perWrite; i < min(end, g.entries); i++ {
					atomicWrite.Mutations = append(atomicWrite.Mutations, g.set(i))
				}
				errs[f] = write(ctx, g.backend, atomicWrite)
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

func (g growing) set(i int) protocol.Mutation {
	data := make([]byte, g.valueBytes)
	for n := range data {
		data[n] = byte(i + n)
	}
	return protocol.Mutation{
		Type: protocol.MutationSet, Key: growthKey(i),
		Value: protocol.Value{Data: data, Encoding: protocol.EncodingBytes},
	}
}

// anyOf draws the number of the n-th operation's entry; the same n gives the same.
func anyOf(entries, n int) int {
	x := uint64(n) * 0x9e3779b97f4a7c15 // splitmix64
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return int((x ^ x>>31) % uint64(entries))
}

// workingSet gives the entries whose pages all fit the page caches. They are spread evenly
// over all, so that each is on pages of its own.
func (g growing) workingSet() []int {
	const pageBytes = 4096
	set := make([]int, min(growthWorkingSetBytes/(pageBytes+g.valueBytes), g.entries))
	for n := range set {
		set[n] = n * (g.entries / len(set))
	}
	return set
}

// cachedReads read the working set.
func (g growing) cachedReads() operation {
	set := g.workingSet()
	return func(ctx context.Context, n int) error { return g.read(ctx, set[anyOf(len(set), n)]) }
}

// cachedRequests are cachedReads from the bytes of a request to those of the reply.
func (g growing) cachedRequests(tb testing.TB) operation {
	tb.Helper()
	set := g.workingSet()
	bodies := make([][]byte, len(set))
	for n, i := range set {
		key := string(growthKey(i))
		bodies[n] = readBody(tb, key, key+"\x00", 1)
	}
	return func(ctx context.Context, n int) error {
		return serveRead(ctx, g.backend, bodies[anyOf(len(bodies), n)], g.valueBytes)
	}
}

// anyRead reads one of all.
func (g growing) anyRead(ctx context.Context, n int) error { return g.read(ctx, anyOf(g.entries, n)) }

func (g growing) read(ctx context.Context, i int) error {
	key := string(growthKey(i))
	return readEntries(ctx, g.backend, oneRange(key, key+"\x00", 1), 1)
}

// anyList reads a list from any of all on.
func (g growing) anyList(ctx context.Context, n int) error {
	start := string(growthKey(anyOf(g.entries-growthListEntries+1, n)))
	return readEntries(ctx, g.backend, oneRange(start, "\xff", growthListEntries), growthListEntries)
}

// anyWrite overwrites one of all.
func (g growing) anyWrite(ctx context.Context, n int) error {
	return write(ctx, g.backend, protocol.AtomicWrite{Mutations: []protocol.Mutation{g.set(anyOf(g.entries, n))}})
}

// besideWriter has a client write one entry after another while f runs.
func (g growing) besideWriter(f measured) measured {
	return func(ctx context.Context, d time.Duration) (slice, error) {
		written := make(chan error, 1)
		go func() {
			_, err := writing(g.anyWrite, 1).slice(ctx, d)
			written <- err
		}()
		s, err := f(ctx, d)
		return s, errors.Join(err, <-written)
	}
}
