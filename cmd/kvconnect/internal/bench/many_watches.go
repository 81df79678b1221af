package bench

import (
	"context"
	"sync"
	"time"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/httpconn"
)

// measureFanOut opens many watches of one key or a few. An operation is a set of one of
// them; it lasts from the sending of the write until the last of its watchers has seen it.
// The next one is made then. Meanwhile somebody reads on another connection.
func measureFanOut(ctx context.Context, e *environment, begin func() window) (*outcome, error) {
	beside := &session{
		server: e.session.server, http: e.session.http, timeout: e.session.timeout, database: e.session.database,
		slots: make([]connectionSlot, 2), // of the writer and of the reader
	}
	defer beside.close()
	keys, err := storeWatched(ctx, e, beside)
	if err != nil {
		return nil, err
	}
	result := &fanOutResult{watches: e.options.Watchers}
	fan, watchers := newFanOut(), newWatchers(e.options.Watchers)
	var watches openWatches
	defer watches.close(e.session)
	before, known := processMemory(e.session.server.PID)
	since := time.Now()
	if err := e.connect(ctx); err != nil {
		return nil, err
	}
	if failed, err := watches.open(ctx, e, fan, watchers, keys); failed != nil || err != nil {
		return failed, err
	}
	result.opened = time.Since(since)
	if after, ok := processMemory(e.session.server.PID); ok && known {
		grown := after - before
		result.memoryBytes = &grown
	}

	w := begin()
	writes, reads := newRecorder(w), newRecorder(w)
	e.progress.follow([]*recorder{writes})
	reading, stopReading := context.WithCancel(ctx)
	var reader sync.WaitGroup
	reader.Go(func() {
		one := &pointWorker{caller: caller{session: beside, index: 1}, entries: e.entries, random: e.random(0), readShare: 1}
		work(reading, w, e.options.Timeout, []worker{one}, []*recorder{reads})
	})
	writer := &watchedKeyWriter{
		caller: caller{session: beside}, fan: fan, keys: keys, watchers: len(watchers),
		value: newWatchedValue(e.options), recorder: writes, asOne: true,
	}
	result.deliveries = writer.writeUntil(ctx, w, e.options)
	stopReading() // if the watches have ended early
	reader.Wait()
	watches.close(e.session)
	o := collect(w, []*recorder{writes})
	o.errors.merge(reads.errors)
	result.reads.Merge(&reads.histogram)
	o.fanOut = result
	return o, nil
}

// connect dials the connections of the watches. With HTTP/1.1 each watch dials its own.
func (e *environment) connect(ctx context.Context) error {
	if e.session.http == httpconn.HTTP1 {
		return nil
	}
	return e.session.connect(ctx)
}

// storeWatched stores the keys that are watched, with number 0.
func storeWatched(ctx context.Context, e *environment, s *session) (keys [][]byte, err error) {
	space, err := newKeyspace(watchedKey)
	if err != nil {
		return nil, err
	}
	set := entrySet{keyspace: space, count: e.options.WatchedKeys, value: newWatchedValue(e.options)}
	for i := range set.count {
		keys = append(keys, set.appendKey(nil, i))
	}
	return keys, set.fill(ctx, s, func(int) {})
}
