package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"

	"github.com/kvconnect/kvconnect/protocol/datapath"
)

// pointWorker gets and sets single entries.
type pointWorker struct {
	caller
	entries   entrySet
	random    *rand.Rand
	readShare float64
	maker     messageMaker
	key       []byte
	value     []byte
	writes    uint64
}

// mixedWorkers gives workers that read with a share of their operations.
func mixedWorkers(readShare func(*Options) float64) func(e *environment, i int) worker {
	return func(e *environment, i int) worker {
		return &pointWorker{
			caller: caller{session: e.session, index: i}, entries: e.entries, random: e.random(i),
			readShare: readShare(e.options), value: bytes.Clone(e.entries.value),
		}
	}
}

func (w *pointWorker) operate(ctx context.Context) (conflicts uint64, err error) {
	w.key = w.entries.appendKey(w.key[:0], w.random.IntN(w.entries.count))
	if w.random.Float64() < w.readShare {
		return 0, w.get(ctx)
	}
	return 0, w.set(ctx)
}

func (w *pointWorker) get(ctx context.Context) error {
	reply, err := w.do(ctx, w.session.database.snapshotRead, w.maker.readKey(w.key))
	if err != nil {
		return err
	}
	found := 0
	err = parseRead(reply, w.session.database.version, func(e entry) error {
		found++
		if !bytes.Equal(e.key, w.key) {
			return wrongReply("a get gave the entry of another key")
		}
		return w.entries.check(e)
	})
	if err == nil && found != 1 {
		err = wrongReply("a get gave %d entries, not 1", found)
	}
	return err
}

// set stores another value each time.
func (w *pointWorker) set(ctx context.Context) error {
	w.writes++
	var counter [8]byte
	binary.LittleEndian.PutUint64(counter[:], w.writes)
	copy(w.value, counter[:])
	return w.write(ctx, w.maker.set(w.key, w.value, datapath.ValueEncoding_VE_BYTES))
}

// listWorker lists entries that follow one another.
type listWorker struct {
	caller
	entries  entrySet
	random   *rand.Rand
	count    int
	maker    messageMaker
	key, end []byte
}

func newListWorker(e *environment, i, count int) worker {
	return &listWorker{
		caller: caller{session: e.session, index: i}, entries: e.entries, random: e.random(i),
		count: count, end: e.entries.end(),
	}
}

func (w *listWorker) operate(ctx context.Context) (conflicts uint64, err error) {
	first := w.random.IntN(w.entries.count - w.count + 1)
	w.key = w.entries.appendKey(w.key[:0], first)
	reply, err := w.do(ctx, w.session.database.snapshotRead, w.maker.read(w.key, w.end, w.count))
	if err != nil {
		return 0, err
	}
	found := 0
	err = parseRead(reply, w.session.database.version, func(e entry) error {
		w.key = w.entries.appendKey(w.key[:0], first+found)
		found++
		if !bytes.Equal(e.key, w.key) {
			return wrongReply("entry %d of a list has another key", found)
		}
		return w.entries.check(e)
	})
	if err == nil && found != w.count {
		err = wrongReply("a list gave %d entries, not %d", found, w.count)
	}
	return 0, err
}
