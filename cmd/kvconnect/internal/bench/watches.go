package bench

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/kvconnect/kvconnect/protocol/datapath"
)

// measureWatches has one writer set a key that all watchers watch. An operation is
// one write seen by one watcher; it lasts from the sending of the write to the arrival
// at the watcher.
func measureWatches(ctx context.Context, e *environment, begin func() window) (*outcome, error) {
	keys, err := newKeyspace(watchedKey)
	if err != nil {
		return nil, err
	}
	fan, watchers := newFanOut(), newWatchers(e.options.Watchers)
	writer := &watchedKeyWriter{
		caller: caller{session: e.session}, fan: fan, keys: [][]byte{keys.appendKey(nil, 0)}, watchers: len(watchers),
		value: newWatchedValue(e.options), recorder: newRecorder(window{}),
	}
	if err := writer.set(ctx, 0); err != nil {
		return nil, err
	}
	recorders := []*recorder{writer.recorder}
	for i := range watchers {
		watchers[i].recorder = newRecorder(window{})
		recorders = append(recorders, watchers[i].recorder)
	}
	var watches openWatches
	defer watches.close(e.session)
	if failed, err := watches.open(ctx, e, fan, watchers, writer.keys); failed != nil || err != nil {
		return failed, err
	}
	w := begin()
	fan.mu.Lock()
	for _, r := range recorders {
		r.window = w
	}
	fan.mu.Unlock()
	e.progress.follow(recorders)
	writer.writeUntil(ctx, w, e.options)
	watches.close(e.session)
	return collect(w, recorders), nil
}

// watchedKeyWriter sets watched keys in turn.
type watchedKeyWriter struct {
	caller
	fan      *fanOut
	keys     [][]byte
	watchers int // of all keys; number i is of keys[i%len(keys)]
	value    []byte
	maker    messageMaker
	recorder *recorder
	// asOne has a write that all watchers have seen recorded as one operation. Otherwise
	// they record what each of them sees, and the writer what they do not see.
	asOne bool
}

// newWatchedValue gives the value of a watched key, with number 0.
func newWatchedValue(options *Options) []byte {
	return make([]byte, max(numberBytes, options.ValueBytes))
}

func (w *watchedKeyWriter) set(ctx context.Context, number uint64) error {
	binary.LittleEndian.PutUint64(w.value, number)
	key := w.keys[number%uint64(len(w.keys))]
	return w.write(ctx, w.maker.set(key, w.value, datapath.ValueEncoding_VE_BYTES))
}

// watchersOf tells how many watchers the key of a write has.
func (w *watchedKeyWriter) watchersOf(number uint64) int {
	keys := len(w.keys)
	key := int(number % uint64(keys)) //nolint:gosec // less than keys
	return (w.watchers - key + keys - 1) / keys
}

// writeUntil makes one write after another until the window ends. It gives how often those
// that began in the window were seen, in writes that all watchers saw.
func (w *watchedKeyWriter) writeUntil(ctx context.Context, when window, options *Options) (seen uint64) {
	calls, release := outlive(ctx, when.end, options.Timeout)
	defer release()
	measured := false
	for number := uint64(1); (time.Now().Before(when.end) || !measured) && !interrupted(ctx); number++ {
		begun, watchers := time.Now(), w.watchersOf(number)
		w.fan.begin(number, begun, watchers)
		if err := w.set(calls, number); err != nil {
			measured = measured || !begun.Before(when.start)
			w.recorder.record(begun, time.Now(), 0, err)
			pause(ctx, pauseAfterError)
			continue
		}
		missing, err := w.fan.await(calls, options.Timeout)
		if interrupted(ctx) {
			return seen
		}
		w.record(begun, missing, err)
		if !begun.Before(when.start) {
			measured = true
			if err == nil {
				seen += uint64(watchers) //nolint:gosec // not negative
			}
		}
		if w.fan.isBroken() {
			return seen
		}
	}
	return seen
}

func (w *watchedKeyWriter) record(begun time.Time, missing int, err error) {
	now := time.Now()
	if w.asOne {
		w.recorder.record(begun, now, 0, err)
		return
	}
	for range missing {
		w.recorder.record(begun, now, 0, err)
	}
}
