package bench

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
)

// KeyPrefix is the first part of every key that a bench stores.
const KeyPrefix = "kvconnect-bench"

// The second part of a key says what it is for; the third is a number.
const (
	entriesKey  = "entries"
	countersKey = "counters"
	watchedKey  = "watched"
)

// Batches of writes stay well below the limits of an atomic write, and clearing reads
// no more than it can delete in one.
const (
	maxBatchEntries = 500
	maxBatchBytes   = 400_000
)

// keyspace encodes keys of one kind.
type keyspace struct{ prefix []byte }

func newKeyspace(kind string) (keyspace, error) {
	prefix, err := protocol.Key{KeyPrefix, kind}.Encode()
	return keyspace{prefix}, err
}

// appendKey appends the key that ends in the number n.
func (k keyspace) appendKey(b []byte, n int) []byte {
	// Positive numbers are encoded as their bits with the sign bit set.
	b = append(append(b, k.prefix...), 0x21)
	return binary.BigEndian.AppendUint64(b, math.Float64bits(float64(n))|1<<63)
}

// end gives the end of the range of all keys.
func (k keyspace) end() []byte { return append(append([]byte(nil), k.prefix...), 0xff) }

// entrySet is what is stored before the workloads run: entries of equal size, whose
// keys end in the numbers from 0.
type entrySet struct {
	keyspace
	count int
	value []byte
}

func newEntrySet(options *Options) (entrySet, error) {
	keys, err := newKeyspace(entriesKey)
	return entrySet{keyspace: keys, count: options.Keys, value: randomValue(options)}, err
}

// randomValue gives bytes that cannot be compressed, the same for the same seed.
func randomValue(options *Options) []byte {
	source := rand.New(rand.NewPCG(options.Seed, 0)) //nolint:gosec // to be had again, not secret
	value := make([]byte, options.ValueBytes)
	for i := range value {
		value[i] = byte(source.Uint32()) //nolint:gosec // a byte of it
	}
	return value
}

// check tells whether an entry is one of those that were stored.
func (s entrySet) check(e entry) error {
	if len(e.value) != len(s.value) || e.encoding != datapath.ValueEncoding_VE_BYTES {
		return wrongReply("an entry has %d bytes of %v, not the %d of VE_BYTES that were stored", len(e.value), e.encoding, len(s.value))
	}
	return nil
}

// fill stores the entries. progress is told how many there are already.
func (s entrySet) fill(ctx context.Context, session *session, progress func(int)) error {
	perBatch := max(1, min(maxBatchEntries, maxBatchBytes/(len(s.value)+len(s.prefix)+16)))
	c := caller{session: session}
	var maker messageMaker
	var message, key []byte
	for first := 0; first < s.count; first += perBatch {
		message = message[:0]
		for n := first; n < min(first+perBatch, s.count); n++ {
			key = s.appendKey(key[:0], n)
			message = maker.appendSet(message, key, s.value, datapath.ValueEncoding_VE_BYTES)
		}
		if err := c.write(ctx, message); err != nil {
			return fmt.Errorf("store the entries: %w", err)
		}
		progress(min(first+perBatch, s.count))
	}
	return nil
}

// write makes an atomic write that must be committed.
func (c *caller) write(ctx context.Context, message []byte) error {
	reply, err := c.do(ctx, c.session.database.atomicWrite, message)
	if err != nil {
		return err
	}
	committed, err := parseWrite(reply)
	if err == nil && !committed {
		err = wrongReply("a write without checks ended with AW_CHECK_FAILURE")
	}
	return err
}

// clearKeys deletes everything that a bench has stored.
func clearKeys(ctx context.Context, session *session) error {
	prefix, err := protocol.Key{KeyPrefix}.Encode()
	if err != nil {
		return err
	}
	all := keyspace{prefix}
	c := caller{session: session}
	var maker messageMaker
	for {
		reply, err := c.do(ctx, session.database.snapshotRead, maker.read(append(prefix, 0), all.end(), maxBatchEntries))
		if err != nil {
			return fmt.Errorf("clear the keys of the bench: %w", err)
		}
		var message []byte
		err = parseRead(reply, session.database.version, func(e entry) error {
			message = maker.appendDelete(message, e.key)
			return nil
		})
		if err == nil && len(message) > 0 {
			err = c.write(ctx, message)
		}
		if err != nil {
			return fmt.Errorf("clear the keys of the bench: %w", err)
		}
		if len(message) == 0 {
			return nil
		}
	}
}
