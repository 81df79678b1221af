package conformance

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/kvconnect/kvconnect/protocol"
)

// The keys of a workload: few, so that the clients get into each other's way. Each
// holds a word or a number most of the time.
var (
	wordKeys   = []string{"a", "b", "c"}
	numberKeys = []string{"d", "e", "f"}
)

const logKey = "log" // after all of them

// keys gives the encoded keys in their order.
func (w *workload) keys() [][]byte {
	var keys [][]byte
	for _, name := range slices.Concat(wordKeys, numberKeys) {
		keys = append(keys, w.key(name))
	}
	return keys
}

// watchedKeys gives the keys of watch i: all, a single one, or some.
func (w *workload) watchedKeys(i int) [][]byte {
	random, keys := w.newRandom("watch", i), w.keys()
	random.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	switch i {
	case 0: // and some twice
		return append(keys, keys[:protocol.MaxWatchedKeys-len(keys)]...)
	case 1:
		return keys[:1]
	default:
		return keys[:1+random.IntN(len(keys))]
	}
}

func (w *workload) wholeRange(limit int) protocol.ReadRange {
	return protocol.ReadRange{Start: w.key("a"), End: w.key(logKey, true), Limit: limit}
}

func (w *workload) keysRange() protocol.ReadRange {
	return protocol.ReadRange{Start: w.key("a"), End: w.key(logKey), Limit: len(wordKeys) + len(numberKeys)}
}

func (w *workload) inLog(key []byte) bool { return bytes.HasPrefix(key, w.key(logKey)) }

func keyAfter(key []byte) []byte { return append(slices.Clone(key), 0) }

// keyRange is what clients read to get one key.
func keyRange(key []byte) protocol.ReadRange {
	return protocol.ReadRange{Start: key, End: keyAfter(key), Limit: 1}
}

// randomClient makes one call after the other.
type randomClient struct {
	workload *workload
	recorder *recorder
	number   int
	db       database
	random   *rand.Rand
	keys     [][]byte
	written  int                              // values, so that each is another
	seen     map[string]protocol.Versionstamp // what it last knew of each key
}

func newRandomClient(w *workload, r *recorder, number int) *randomClient {
	return &randomClient{
		workload: w, recorder: r, number: number, db: w.way(number),
		random: w.newRandom("client", number), keys: w.keys(), seen: make(map[string]protocol.Versionstamp),
	}
}

// act makes a call, or two or three that belong together.
func (c *randomClient) act(ctx context.Context) error {
	switch n := c.random.IntN(100); {
	case n < 20:
		return c.read(ctx, keyRange(c.anyKey()))
	case n < 31:
		return c.read(ctx, c.someRanges()...)
	case n < 35:
		return c.read(ctx, c.allRanges()...)
	case n < 40:
		return c.list(ctx)
	case n < 58:
		return c.write(ctx, nil, c.mutations(1))
	case n < 73:
		return c.write(ctx, c.checks(c.random.IntN(3)), c.mutations(2+c.random.IntN(4)))
	case n < 88:
		return c.readAndWrite(ctx, 2)
	case n < 95:
		return c.readAndWrite(ctx, 0)
	default:
		return c.write(ctx, nil, nil)
	}
}

func (c *randomClient) anyKey() []byte { return c.keys[c.random.IntN(len(c.keys))] }

func (c *randomClient) read(ctx context.Context, ranges ...protocol.ReadRange) error {
	output, err := c.recorder.read(ctx, c.db, c.number, ranges...)
	if err != nil {
		return err
	}
	for i, r := range ranges {
		for _, key := range c.keys {
			if bytes.Equal(r.Start, key) && bytes.Equal(r.End, keyAfter(key)) {
				delete(c.seen, string(key)) // unless it is there
			}
		}
		for _, entry := range output.Ranges[i] {
			c.seen[string(entry.Key)] = entry.Versionstamp
		}
	}
	return nil
}

// someRanges gives some ranges between keys, and now and then the end of the log.
func (c *randomClient) someRanges() []protocol.ReadRange {
	bounds := append(c.workload.keys(), c.workload.key(logKey))
	var ranges []protocol.ReadRange
	for range 1 + c.random.IntN(8) {
		from, to := c.random.IntN(len(bounds)), c.random.IntN(len(bounds))
		ranges = append(ranges, protocol.ReadRange{
			Start: bounds[min(from, to)], End: bounds[max(from, to)],
			Limit: 1 + c.random.IntN(len(bounds)), Reverse: c.random.IntN(2) == 0,
		})
	}
	if c.random.IntN(2) == 0 {
		ranges = append(ranges, protocol.ReadRange{
			Start: c.workload.key(logKey), End: c.workload.key(logKey, true), Limit: 3, Reverse: true,
		})
	}
	return ranges
}

// allRanges gives everything several times over: the longer a read takes, the more
// is written meanwhile.
func (c *randomClient) allRanges() []protocol.ReadRange {
	ranges := make([]protocol.ReadRange, protocol.MaxReadRanges)
	for i := range ranges {
		ranges[i] = c.workload.wholeRange(protocol.MaxReadEntries / len(ranges))
		ranges[i].Reverse = i%2 == 1
	}
	return ranges
}

// list reads some pages, each from where the last ended.
func (c *randomClient) list(ctx context.Context) error {
	page := c.workload.wholeRange(1 + c.random.IntN(3))
	page.Reverse = c.random.IntN(2) == 0
	for range 3 {
		output, err := c.recorder.read(ctx, c.db, c.number, page)
		if err != nil {
			return err
		}
		entries := output.Ranges[0]
		if len(entries) < page.Limit {
			return nil
		}
		if last := entries[len(entries)-1].Key; page.Reverse {
			page.End = last
		} else {
			page.Start = keyAfter(last)
		}
	}
	return nil
}

// readAndWrite reads two keys and changes that many of them, unless another client
// was faster.
func (c *randomClient) readAndWrite(ctx context.Context, changes int) error {
	keys := [][]byte{c.anyKey(), c.anyKey()}
	if err := c.read(ctx, keyRange(keys[0]), keyRange(keys[1])); err != nil {
		return err
	}
	var checks []protocol.Check
	for _, key := range keys {
		checks = append(checks, protocol.Check{Key: key, Versionstamp: c.seen[string(key)]})
	}
	var mutations []protocol.Mutation
	for _, key := range keys[:changes] {
		mutations = append(mutations, c.mutation(key))
	}
	return c.write(ctx, checks, mutations)
}

func (c *randomClient) write(ctx context.Context, checks []protocol.Check, mutations []protocol.Mutation) error {
	if len(mutations) > 0 && (c.workload.lossy || c.random.IntN(3) == 0) {
		mutations = slices.Insert(mutations, c.random.IntN(len(mutations)+1), protocol.Mutation{
			Type: protocol.MutationSetVersionstampedKey, Key: c.workload.key(logKey), Value: c.word(),
		})
	}
	call, err := c.recorder.write(ctx, c.db, c.number, protocol.AtomicWrite{Checks: checks, Mutations: mutations})
	if err != nil || call.outcome != writeCommitted {
		return err
	}
	for _, mutation := range mutations {
		c.seen[string(mutation.Key)] = call.versionstamp
		if mutation.Type == protocol.MutationDelete {
			delete(c.seen, string(mutation.Key))
		}
	}
	return nil
}

// checks gives checks of what the client knows, which may be true no more.
func (c *randomClient) checks(n int) []protocol.Check {
	var checks []protocol.Check
	for range n {
		key := c.anyKey()
		checks = append(checks, protocol.Check{Key: key, Versionstamp: c.seen[string(key)]})
	}
	return checks
}

func (c *randomClient) mutations(n int) []protocol.Mutation {
	var mutations []protocol.Mutation
	for range n {
		mutations = append(mutations, c.mutation(c.anyKey()))
	}
	return mutations
}

// mutation gives one that suits the key, but for some that do not.
func (c *randomClient) mutation(key []byte) protocol.Mutation {
	holdsNumber := bytes.Compare(key, c.workload.key(numberKeys[0])) >= 0
	if c.workload.mismatches && c.random.IntN(4) == 0 {
		holdsNumber = !holdsNumber
	}
	n := c.random.IntN(100)
	switch {
	case n < 20:
		return del(key)
	case !holdsNumber:
		return set(key, c.word())
	case n < 35:
		return set(key, c.operand())
	case n < 85:
		return protocol.Mutation{Type: protocol.MutationSum, Key: key, Value: c.operand()}
	case n < 92:
		return protocol.Mutation{Type: protocol.MutationMin, Key: key, Value: c.operand()}
	default:
		return protocol.Mutation{Type: protocol.MutationMax, Key: key, Value: c.operand()}
	}
}

// word gives a value that no other write has.
func (c *randomClient) word() protocol.Value {
	c.written++
	return text(fmt.Sprintf("%d-%d", c.number, c.written))
}

func (c *randomClient) operand() protocol.Value { return protocol.U64Value(c.random.Uint64()) }
