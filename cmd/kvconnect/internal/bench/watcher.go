package bench

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/httpconn"
)

// watcher reads one watch. There may be a hundred thousand.
type watcher struct {
	fan      *fanOut
	recorder *recorder // nil if what it sees alone is not measured
	call     httpconn.Call
	pending  []byte // the beginning of a frame; nil if none has begun
	seen     uint64 // the number of the last write seen
}

// newWatchers gives watchers that have seen nothing.
func newWatchers(count int) []watcher {
	all := make([]watcher, count)
	for i := range all {
		all[i].seen = math.MaxUint64
	}
	return all
}

// take gets the stream as it arrives: frames, each after its length.
func (w *watcher) take(chunk []byte) {
	now := time.Now()
	const lengthBytes = 4
	rest := chunk
	if w.pending != nil {
		w.pending = append(w.pending, chunk...)
		rest = w.pending
	}
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
	// Most chunks end with a frame, and the chunk is not to be kept.
	w.pending = append([]byte(nil), rest...)
}

func (w *watcher) see(frame []byte, now time.Time) {
	e, found, err := parseWatch(frame)
	if err != nil {
		w.fan.fail(err)
		return
	}
	// The value is never absent, but a server may send news of nothing.
	if number, ok := numberIn(e.value); found && ok {
		w.fan.see(w, number, now)
	}
}

// ended is told of the end of the watch.
func (w *watcher) ended(err error) {
	switch {
	case err == nil && w.call.Status != http.StatusOK:
		err = &statusError{status: w.call.Status, text: string(w.call.Reply)}
	case err == nil:
		err = wrongReply("the server ended a watch")
	}
	w.fan.fail(fmt.Errorf("watch: %w", err))
}

// openWatches are the connections of watches. The zero value is none.
type openWatches struct{ own []httpconn.Conn }

// open opens the watches, of which number i follows keys[i%len(keys)], and waits until each
// has seen number 0. They are open until close is called, after a failure too. What other
// servers may do better is given as an outcome.
func (o *openWatches) open(ctx context.Context, e *environment, fan *fanOut, watchers []watcher, keys [][]byte) (failed *outcome, err error) {
	fan.begin(0, time.Time{}, len(watchers))
	if err := o.start(ctx, e.session, fan, watchers, keys); err != nil {
		return nil, err
	}
	missing, err := fan.await(ctx, e.options.Timeout)
	if err == nil || interrupted(ctx) {
		return nil, err
	}
	failed = &outcome{errors: make(errorCounts)}
	for range max(missing, 1) {
		failed.errors.add(fmt.Errorf("open %d watches: %w", len(watchers), err))
	}
	return failed, nil
}

// start sends the requests, over the connections of the session or, with HTTP/1.1, each over
// one of its own.
func (o *openWatches) start(ctx context.Context, s *session, fan *fanOut, watchers []watcher, keys [][]byte) error {
	bodies := make([][]byte, len(keys))
	for i, key := range keys {
		bodies[i] = appendBytes(nil, 1, appendBytes(nil, 1, key))
	}
	for i := range watchers {
		conn, err := o.connection(ctx, s, i)
		if err != nil {
			return err
		}
		w := &watchers[i]
		w.fan = fan
		w.call = httpconn.Call{Route: s.database.watch, Body: bodies[i%len(bodies)], OnData: w.take}
		if err := conn.Start(ctx, &w.call, w.ended); err != nil {
			return fmt.Errorf("open a watch: %w", err)
		}
	}
	return nil
}

func (o *openWatches) connection(ctx context.Context, s *session, i int) (httpconn.Conn, error) {
	if s.http != httpconn.HTTP1 {
		return s.connection(ctx, i)
	}
	conn, err := s.dial(ctx)
	if err == nil {
		o.own = append(o.own, conn)
	}
	return conn, err
}

// close ends the watches with all connections, those of the session too. A second close
// does nothing.
func (o *openWatches) close(s *session) {
	for _, conn := range o.own {
		conn.Close()
	}
	o.own = nil
	s.close()
}
