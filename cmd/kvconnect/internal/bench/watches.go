package bench

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/httpconn"
	"github.com/kvconnect/kvconnect/protocol/datapath"
)

// numberBytes is what the number of a write takes at the start of a watched value.
const numberBytes = 8

// fanOut is one key with all its watchers. A write is made when all watchers have seen
// the one before, so that each is seen by each: a server may leave states out that
// nobody waited for.
type fanOut struct {
	all     chan struct{} // gets a token when all have seen the write; room for one
	broken  chan struct{} // closed when a watch has ended by itself
	breakIt sync.Once
	err     error // why a watch has ended; set before broken is closed

	mu      sync.Mutex // guards what follows, and the recorders of the watchers
	number  uint64     // of the write under way
	sent    time.Time  // when it was sent; zero for the one before the watches began
	missing int        // watchers that have not seen it
}

func (f *fanOut) begin(number uint64, sent time.Time, watchers int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-f.all: // of a write that was given up; under the mutex, so that no other follows
	default:
	}
	f.number, f.sent, f.missing = number, sent, watchers
}

// await waits until all watchers have seen the write. It gives the number of those
// that have not, with the reason.
func (f *fanOut) await(ctx context.Context, timeout time.Duration) (missing int, err error) {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-f.all:
		return 0, nil
	case <-f.broken:
		err = f.err
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-timer.C:
		err = errLate
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	missing, f.missing = f.missing, 0
	return missing, err
}

// fail tells that a watch has ended.
func (f *fanOut) fail(err error) {
	f.breakIt.Do(func() {
		f.err = err
		close(f.broken)
	})
}

// watcher reads one watch.
type watcher struct {
	fan      *fanOut
	recorder *recorder
	pending  []byte // the beginning of a frame
	seen     uint64 // the number of the last write seen
}

// take gets the stream as it arrives: frames, each after its length.
func (w *watcher) take(chunk []byte) {
	now := time.Now()
	const lengthBytes = 4
	w.pending = append(w.pending, chunk...)
	rest := w.pending
	for len(rest) >= lengthBytes {
		size := int64(binary.LittleEndian.Uint32(rest))
		if size > httpconn.MaxReplyBytes {
			w.fan.fail(wrongReply("a watch sent a frame of %d bytes", size))
			return
		}
		if int64(len(rest)) < lengthBytes+size {
			break
		}
		frame := rest[lengthBytes : lengthBytes+size]
		rest = rest[lengthBytes+size:]
		if len(frame) > 0 { // the others keep the stream alive
			w.see(frame, now)
		}
	}
	w.pending = append(w.pending[:0], rest...)
}

func (w *watcher) see(frame []byte, now time.Time) {
	e, found, err := parseWatch(frame)
	if err != nil {
		w.fan.fail(err)
		return
	}
	if !found || len(e.value) < numberBytes {
		return // the value is never absent, but a server may send news of nothing
	}
	number := binary.LittleEndian.Uint64(e.value)
	f := w.fan
	f.mu.Lock()
	defer f.mu.Unlock()
	if number != f.number || number == w.seen || f.missing == 0 {
		return // told twice, or too late
	}
	w.seen = number
	if !f.sent.IsZero() {
		w.recorder.record(f.sent, now, 0, nil)
	}
	f.missing--
	if f.missing == 0 {
		f.all <- struct{}{}
	}
}

// run opens the watch and reads it until ctx ends.
func (w *watcher) run(ctx context.Context, conn httpconn.Conn, route *httpconn.Route, body []byte) {
	call := httpconn.Call{Route: route, Body: body, OnData: w.take}
	err := conn.Do(ctx, &call)
	switch {
	case interrupted(ctx):
		return
	case err == nil && call.Status != http.StatusOK:
		err = &statusError{status: call.Status, text: string(call.Reply)}
	case err == nil:
		err = wrongReply("the server ended a watch")
	}
	w.fan.fail(fmt.Errorf("watch: %w", err))
}

// measureWatches has one writer set a key that all watchers watch. An operation is
// one write seen by one watcher; it lasts from the sending of the write to the arrival
// at the watcher.
func measureWatches(ctx context.Context, e *environment, begin func() window) (*outcome, error) {
	keys, err := newKeyspace(watchedKey)
	if err != nil {
		return nil, err
	}
	writer := &watchedKeyWriter{
		caller: caller{session: e.session}, key: keys.appendKey(nil, 0),
		value: make([]byte, max(numberBytes, e.options.ValueBytes)),
	}
	if err := writer.set(ctx, 0); err != nil {
		return nil, err
	}
	fan := &fanOut{all: make(chan struct{}, 1), broken: make(chan struct{})}
	fan.begin(0, time.Time{}, e.options.Watchers)
	recorders := []*recorder{newRecorder(window{})} // of the writer, for errors alone

	var running sync.WaitGroup
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer running.Wait()
	defer stop()
	body := appendBytes(nil, 1, appendBytes(nil, 1, writer.key))
	for i := range e.options.Watchers {
		conn, done, err := watchConnection(ctx, e.session, i)
		if err != nil {
			return nil, err
		}
		one := &watcher{fan: fan, recorder: newRecorder(window{}), seen: math.MaxUint64}
		recorders = append(recorders, one.recorder)
		running.Go(func() {
			defer done()
			one.run(watching, conn, e.session.database.watch, body)
		})
	}
	if missing, err := fan.await(ctx, e.options.Timeout); err != nil {
		if interrupted(ctx) {
			return nil, err
		}
		// Other workloads and servers may do better.
		o := collect(window{}, recorders[:1])
		for range max(missing, 1) {
			o.errors.add(fmt.Errorf("open %d watches: %w", e.options.Watchers, err))
		}
		return o, nil
	}
	w := begin()
	fan.mu.Lock()
	for _, r := range recorders {
		r.window = w
	}
	fan.mu.Unlock()
	e.progress.follow(recorders)
	writer.writeUntil(ctx, w, fan, recorders[0], e.options)
	stop()
	running.Wait()
	return collect(w, recorders), nil
}

// watchConnection gives a connection for watch i: over HTTP/1.1 one of its own.
func watchConnection(ctx context.Context, s *session, i int) (conn httpconn.Conn, done func(), err error) {
	if s.http == httpconn.HTTP1 {
		if conn, err = s.dial(ctx); err != nil {
			return nil, nil, err
		}
		return conn, conn.Close, nil
	}
	conn, err = s.connection(ctx, i)
	return conn, func() {}, err
}

// watchedKeyWriter sets the watched key.
type watchedKeyWriter struct {
	caller
	key, value []byte
	maker      messageMaker
}

func (w *watchedKeyWriter) set(ctx context.Context, number uint64) error {
	binary.LittleEndian.PutUint64(w.value, number)
	return w.write(ctx, w.maker.set(w.key, w.value, datapath.ValueEncoding_VE_BYTES))
}

// writeUntil makes one write after another until the window ends.
func (w *watchedKeyWriter) writeUntil(ctx context.Context, when window, fan *fanOut, errs *recorder, options *Options) {
	calls, release := outlive(ctx, when.end, options.Timeout)
	defer release()
	measured := false
	for number := uint64(1); (time.Now().Before(when.end) || !measured) && !interrupted(ctx); number++ {
		begun := time.Now()
		measured = measured || !begun.Before(when.start)
		fan.begin(number, begun, options.Watchers)
		if err := w.set(calls, number); err != nil {
			errs.record(begun, time.Now(), 0, err)
			pause(ctx, pauseAfterError)
			continue
		}
		missing, err := fan.await(calls, options.Timeout)
		if interrupted(ctx) {
			return
		}
		for range missing {
			errs.record(begun, time.Now(), 0, err)
		}
		select {
		case <-fan.broken:
			return
		default:
		}
	}
}
