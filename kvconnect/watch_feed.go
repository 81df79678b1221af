package kvconnect

import (
	"context"
	"io"
	"sync/atomic"
	"time"

	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/transport"
)

// watchFeed is the transport.Feed of a watch: a frame for each state that differs from the
// one before. There may be a hundred thousand, most of them quiet, so it holds no more than
// it needs: the state of a watch is not kept, only its versionstamps.
type watchFeed struct {
	server   *Server
	grant    *access.Grant
	database Database
	waker    transport.Waker
	watcher  protocol.Watcher
	sent     sentState
	trust    uint32 // that of the server when the token was found valid
	over     bool   // the last frame was given
	opened   bool   // the observer was told
	// toldAt is when the watch was first told of news that was not asked for yet, in
	// nanoseconds since the start of the server; 0 if it was not, or nobody observes.
	toldAt atomic.Int64

	previous, next *watchFeed // in openFeeds, which guards them
}

// open begins the watch and gives the frame of its first state. After an error nothing
// needs to be closed.
func (f *watchFeed) open(ctx context.Context, watch protocol.Watch) (frame []byte, err error) {
	if err := countWatch(f.grant); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.release()
		}
	}()
	if f.database, err = f.server.lend(ctx, f.grant, f.trust); err != nil {
		return nil, err
	}
	if f.watcher, err = f.database.Watch(watch, f.changed); err != nil {
		return nil, err
	}
	state, err := f.watcher.State(ctx)
	if err != nil {
		return nil, err
	}
	f.sent.update(state)
	if frame, err = state.EncodeFrame(); err != nil {
		return nil, err
	}
	f.server.feeds.add(f)
	if observer := f.server.options.Observer; observer != nil {
		f.opened = true
		observer.WatchOpened(f.grant.DatabaseID)
	}
	if f.server.isDraining() || f.tokenEnded() || f.isDistrusted() {
		f.waker.Wake() // perhaps it was not there yet when the others were
	}
	return frame, nil
}

// changed is called when there may be news.
func (f *watchFeed) changed() {
	if f.server.options.Observer != nil && f.toldAt.Load() == 0 {
		f.toldAt.CompareAndSwap(0, time.Since(f.server.started).Nanoseconds())
	}
	f.waker.Wake()
}

// tokenEnded tells whether the token of the watch is not valid any more.
func (f *watchFeed) tokenEnded() bool { return f.grant.Err(f.server.options.Now()) != nil }

// isDistrusted tells whether the token of the watch must be shown again.
func (f *watchFeed) isDistrusted() bool { return f.trust != f.server.trust.Load() }

// release gives back what open took.
func (f *watchFeed) release() {
	if f.watcher != nil {
		f.watcher.Close()
	}
	if f.database != nil {
		f.database.Release()
	}
	uncountWatch(f.grant)
}

// Next implements transport.Feed. It gives io.EOF when the server drains or wants to see
// tokens again, when the database is closed, and after a fault, of which it tells the log. If
// the token of the watch is not valid any more, it says so before.
func (f *watchFeed) Next(ctx context.Context) (frame []byte, err error) {
	switch {
	case f.over, f.server.isDraining(), f.isDistrusted():
		return nil, io.EOF
	case f.tokenEnded():
		f.over = true
		f.waker.Wake() // for the end
		return readDisabledFrame, nil
	}
	toldAt := f.toldAt.Swap(0)
	state, err := f.watcher.State(ctx)
	if err == nil && f.sent.update(state) {
		frame, err = state.EncodeFrame()
	}
	switch {
	case err == nil:
		f.noteDelivered(len(frame), toldAt)
		return frame, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	if status, _ := statusOf(err); isFault(err, status) {
		f.server.options.Logger.Error("watch ended", "error", err)
	}
	return nil, io.EOF
}

// noteDelivered tells of a frame, if there is one and somebody observes.
func (f *watchFeed) noteDelivered(frameBytes int, toldAt int64) {
	if frameBytes == 0 || toldAt == 0 {
		return
	}
	latency := time.Since(f.server.started) - time.Duration(toldAt)
	f.server.options.Observer.WatchDelivered(f.grant.DatabaseID, frameBytes, latency)
}

// keepAliveFrame is shared by all watches.
var keepAliveFrame = protocol.KeepAliveFrame()

// readDisabledFrame is shared by all watches. A stream that merely ended would leave the
// program to wait for news for ever: clients open it again and again, and do not tell. This
// frame becomes an exception.
var readDisabledFrame = protocol.ReadDisabledFrame()

// KeepAlive implements transport.Feed.
func (f *watchFeed) KeepAlive() (frame []byte, silence time.Duration) {
	return keepAliveFrame, f.server.options.WatchKeepAlive
}

// Close implements transport.Feed. The transport is not woken any more after it.
func (f *watchFeed) Close() {
	f.server.feeds.remove(f)
	f.release()
	if f.opened {
		f.server.options.Observer.WatchClosed(f.grant.DatabaseID)
	}
}

// sentState is the state that the client has. Most watches have one key, which takes no
// memory besides.
type sentState struct {
	first  protocol.Versionstamp   // of the first key
	others []protocol.Versionstamp // of the others
}

// update takes the state over and reports whether it differs. Before the first update all
// keys are absent.
func (s *sentState) update(state protocol.WatchOutput) (differs bool) {
	if others := len(state.Entries) - 1; others > len(s.others) {
		s.others = make([]protocol.Versionstamp, others)
	}
	for i, entry := range state.Entries {
		var versionstamp protocol.Versionstamp
		if entry != nil {
			versionstamp = entry.Versionstamp
		}
		sent := &s.first
		if i > 0 {
			sent = &s.others[i-1]
		}
		if *sent != versionstamp {
			*sent = versionstamp
			differs = true
		}
	}
	return differs
}
