package bench

import (
	"context"
	"encoding/binary"
	"math/rand/v2"

	"github.com/kvconnect/kvconnect/protocol/datapath"
)

// counters are the keys that the workers of the checks workload compete for. Each
// holds a VE_LE64, and nobody's increment may be lost.
type counters struct {
	keyspace
	count int
}

func newCounters(count int) (counters, error) {
	keys, err := newKeyspace(countersKey)
	return counters{keys, count}, err
}

// measureChecks has workers increment counters, and looks at the end whether all
// committed increments are there.
func measureChecks(ctx context.Context, e *environment, begin func() window) (*outcome, error) {
	counters, err := newCounters(e.options.ContendedKeys)
	if err != nil {
		return nil, err
	}
	c := caller{session: e.session}
	if err := counters.begin(ctx, &c); err != nil {
		return nil, err
	}
	var workers []*checkWorker
	o := measureWorkers(ctx, e, begin(), func(e *environment, i int) worker {
		one := &checkWorker{caller: caller{session: e.session, index: i}, counters: counters, random: e.random(i)}
		workers = append(workers, one)
		return one
	})
	var committed, unsure uint64
	for _, one := range workers {
		committed += one.committed
		unsure += one.unsure
	}
	if interrupted(ctx) {
		return o, nil
	}
	sum, err := counters.sum(ctx, &c)
	if err == nil && (sum < committed || sum > committed+unsure) {
		err = wrongReply("%d increments were committed, and %d may have been, but the counters say %d", committed, unsure, sum)
	}
	if err != nil {
		o.errors.add(err)
	}
	return o, nil
}

// begin sets all counters to 0.
func (k counters) begin(ctx context.Context, c *caller) error {
	var maker messageMaker
	var message []byte
	for n := range k.count {
		message = maker.appendSet(message, k.appendKey(nil, n), make([]byte, 8), datapath.ValueEncoding_VE_LE64)
	}
	return c.write(ctx, message)
}

func (k counters) sum(ctx context.Context, c *caller) (sum uint64, err error) {
	var maker messageMaker
	reply, err := c.do(ctx, c.session.database.snapshotRead, maker.read(k.appendKey(nil, 0), k.end(), k.count))
	if err != nil {
		return 0, err
	}
	err = parseRead(reply, c.session.database.version, func(e entry) error {
		n, err := counterOf(e)
		sum += n
		return err
	})
	return sum, err
}

func counterOf(e entry) (uint64, error) {
	if len(e.value) != 8 || e.encoding != datapath.ValueEncoding_VE_LE64 {
		return 0, wrongReply("a counter has %d bytes of %v", len(e.value), e.encoding)
	}
	return binary.LittleEndian.Uint64(e.value), nil
}

// checkWorker increments one counter after another.
type checkWorker struct {
	caller
	counters  counters
	random    *rand.Rand
	maker     messageMaker
	key       []byte
	committed uint64
	unsure    uint64 // writes that failed, and may have been committed all the same
}

func (w *checkWorker) operate(ctx context.Context) (conflicts uint64, err error) {
	w.key = w.counters.appendKey(w.key[:0], w.random.IntN(w.counters.count))
	for {
		committed, err := w.attempt(ctx)
		if err != nil {
			return conflicts, err
		}
		if committed {
			w.committed++
			return conflicts, nil
		}
		conflicts++
	}
}

func (w *checkWorker) attempt(ctx context.Context) (committed bool, err error) {
	reply, err := w.do(ctx, w.session.database.snapshotRead, w.maker.readKey(w.key))
	if err != nil {
		return false, err
	}
	var message []byte
	err = parseRead(reply, w.session.database.version, func(e entry) error {
		n, err := counterOf(e)
		if err != nil {
			return err
		}
		var value [8]byte
		binary.LittleEndian.PutUint64(value[:], n+1)
		message = w.maker.checkAndSet(w.key, e.versionstamp, value[:], datapath.ValueEncoding_VE_LE64)
		return nil
	})
	if err == nil && message == nil {
		err = wrongReply("a counter is not there")
	}
	if err != nil {
		return false, err
	}
	if reply, err = w.do(ctx, w.session.database.atomicWrite, message); err == nil {
		committed, err = parseWrite(reply)
	}
	if err != nil {
		w.unsure++
	}
	return committed, err
}
