package kvconnect

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
)

// watchFeed is the transport.Feed of a watch: a frame for each state that differs from the
// one before. There may be a hundred thousand, most of them quiet, so it holds no more than
// it needs: the state of a watch is not kept, only its versionstamps.
type watchFeed struct {
	server  *Server
	wake    func() // the transport
	watcher protocol.Watcher
	sent    sentState

	previous, next *watchFeed // in openFeeds, which guards them
}

// open begins the watch and gives the frame of its first state. After an error nothing
// needs to be closed.
func (f *watchFeed) open(ctx context.Context, watch protocol.Watch) (frame []byte, err error) {
	f.watcher, err = f.server.options.Backend.Watch(watch, f.wake)
	if err != nil {
		return nil, err
	}
	state, err := f.watcher.State(ctx)
	if err == nil {
		f.sent.update(state)
		frame, err = state.EncodeFrame()
	}
	if err != nil {
		f.watcher.Close()
		return nil, err
	}
	f.server.feeds.add(f)
	if f.server.isDraining() {
		f.wake() // perhaps it was not there yet when the others were
	}
	return frame, nil
}

// Next implements transport.Feed. It gives io.EOF when the server drains, when the database
// is closed, and after a fault, of which it tells the log.
func (f *watchFeed) Next(ctx context.Context) (frame []byte, err error) {
	if f.server.isDraining() {
		return nil, io.EOF
	}
	state, err := f.watcher.State(ctx)
	if err == nil && f.sent.update(state) {
		frame, err = state.EncodeFrame()
	}
	switch {
	case err == nil:
		return frame, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case !errors.Is(err, protocol.ErrClosed):
		f.server.options.Logger.Error("watch ended", "error", err)
	}
	return nil, io.EOF
}

// keepAliveFrame is shared by all watches.
var keepAliveFrame = protocol.KeepAliveFrame()

// KeepAlive implements transport.Feed.
func (f *watchFeed) KeepAlive() (frame []byte, silence time.Duration) {
	return keepAliveFrame, f.server.options.WatchKeepAlive
}

// Close implements transport.Feed. The transport is not woken any more after it.
func (f *watchFeed) Close() {
	f.server.feeds.remove(f)
	f.watcher.Close()
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

// openFeeds are the feeds that a drain ends, as a list. It is safe for concurrent use.
type openFeeds struct {
	mu    sync.Mutex
	first *watchFeed // guarded by mu, and so are the links
}

func (o *openFeeds) add(f *watchFeed) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f.next = o.first
	if f.next != nil {
		f.next.previous = f
	}
	o.first = f
}

func (o *openFeeds) remove(f *watchFeed) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if f.next != nil {
		f.next.previous = f.previous
	}
	if f.previous != nil {
		f.previous.next = f.next
	} else {
		o.first = f.next
	}
	f.previous, f.next = nil, nil
}

// wake has the Next of all feeds called.
func (o *openFeeds) wake() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for f := o.first; f != nil; f = f.next {
		f.wake()
	}
}
