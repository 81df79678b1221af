package kvconnect_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
	"github.com/kvconnect/kvconnect/transport"
)

type countingWaker struct{ woken atomic.Int64 }

func (w *countingWaker) Wake() { w.woken.Add(1) }

// openFeed opens a watch without a transport. What it watches is for the backend to say.
func openFeed(tb testing.TB, server *kvconnect.Server) (transport.Reply, *countingWaker) {
	tb.Helper()
	call := admit(tb, server, "watch")
	call.Receive(nil)
	waker := &countingWaker{}
	reply := call.Serve(tb.Context(), waker)
	if reply.Feed == nil {
		tb.Fatalf("no feed: %s", reply.Body)
	}
	return reply, waker
}

func frameOf(t *testing.T, entries ...*protocol.Entry) []byte {
	t.Helper()
	frame, err := protocol.WatchOutput{Entries: entries}.EncodeFrame()
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

func entryOfVersion(version int64) *protocol.Entry {
	return &protocol.Entry{Key: []byte{1}, Value: protocol.U64Value(7), Versionstamp: protocol.VersionstampOf(version)}
}

func TestFeedGivesEachStateOnce(t *testing.T) {
	t.Parallel()
	one, two := entryOfVersion(1), entryOfVersion(2)
	for name, states := range map[string][][]*protocol.Entry{
		"no key":                 {{}},
		"one key, absent":        {{nil}, {one}, {two}, {nil}},
		"one key, present":       {{one}, {nil}, {one}},
		"two keys":               {{nil, nil}, {nil, one}, {one, one}, {two, one}, {two, nil}},
		"ten keys, the last one": {append(make([]*protocol.Entry, 9), nil), append(make([]*protocol.Entry, 9), two)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, backend := memoryServer(asIs)
			backend.become(nil, states[0]...)
			reply, waker := openFeed(t, server)
			if want := frameOf(t, states[0]...); !bytes.Equal(reply.Body, want) {
				t.Errorf("first frame %x, want %x", reply.Body, want)
			}
			for i, state := range states {
				if i > 0 {
					backend.become(nil, state...)
					if frame, err := reply.Feed.Next(t.Context()); err != nil || !bytes.Equal(frame, frameOf(t, state...)) {
						t.Errorf("state %d: frame %x, %v", i, frame, err)
					}
				}
				backend.become(nil, state...) // is no news
				if frame, err := reply.Feed.Next(t.Context()); err != nil || frame != nil {
					t.Errorf("state %d again: frame %x, %v", i, frame, err)
				}
			}
			if got, want := waker.woken.Load(), int64(2*len(states)-1); got != want {
				t.Errorf("woken %d times, want %d", got, want)
			}
			reply.Feed.Close()
			if backend.openWatchers() != 0 || server.OpenFeeds() != 0 {
				t.Error("something of the watch is left")
			}
		})
	}
}

func TestFeedEnds(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx    context.Context //nolint:containedctx // a case
		fault  error
		drain  bool
		want   error
		logged int
	}{
		"with the server":     {t.Context(), nil, true, io.EOF, 0},
		"with the database":   {t.Context(), protocol.ErrClosed, false, io.EOF, 0},
		"with the client":     {ended, context.Canceled, false, context.Canceled, 0},
		"with a fault":        {t.Context(), errors.New("the disk is broken"), false, io.EOF, 1},
		"draining, a fault":   {t.Context(), errors.New("the disk is broken"), true, io.EOF, 0},
		"with a damaged file": {t.Context(), protocol.ErrDamaged, false, io.EOF, 1},
		// There may be ten thousand watches, and the database has told of its disk.
		"with a failing disk": {t.Context(), fmt.Errorf("read: %w", protocol.ErrDiskFailing), false, io.EOF, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &safeBuffer{}
			server, backend := memoryServer(func(o *setup) { o.Logger = slog.New(slog.NewTextHandler(log, nil)) })
			reply, waker := openFeed(t, server)
			if c.fault != nil {
				backend.become(c.fault)
			}
			if c.drain {
				server.Drain()
			}
			if waker.woken.Load() == 0 {
				t.Error("nobody was told")
			}
			if frame, err := reply.Feed.Next(c.ctx); !errors.Is(err, c.want) || frame != nil {
				t.Errorf("frame %x, error %v; want %v", frame, err, c.want)
			}
			reply.Feed.Close()
			if got := strings.Count(log.String(), "watch ended"); got != c.logged {
				t.Errorf("the log tells of %d faults, want %d:\n%s", got, c.logged, log)
			}
		})
	}
}

// A drain ends the watches that wait for nothing, whatever order they were opened and
// closed in, and those that were on their way.
func TestDrainWakesEveryFeed(t *testing.T) {
	t.Parallel()
	server, backend := memoryServer(asIs)
	onTheWay := admit(t, server, "watch")
	onTheWay.Receive(nil)
	const n = 6
	var replies [n]transport.Reply
	var wakers [n]*countingWaker
	for i := range n {
		replies[i], wakers[i] = openFeed(t, server)
	}
	closed := map[int]bool{0: true, 3: true, n - 1: true} // the ends of the list, and one between
	for i := range closed {
		replies[i].Feed.Close()
	}
	server.Drain()
	late := &countingWaker{}
	lateReply := onTheWay.Serve(t.Context(), late)
	if late.woken.Load() == 0 {
		t.Error("a watch that was opened amid the drain was not woken")
	}
	if _, err := lateReply.Feed.Next(t.Context()); !errors.Is(err, io.EOF) {
		t.Errorf("a watch that was opened amid the drain: %v, want io.EOF", err)
	}
	lateReply.Feed.Close()
	for i := range n {
		if got, want := wakers[i].woken.Load() > 0, !closed[i]; got != want {
			t.Errorf("feed %d: woken is %v, want %v", i, got, want)
		}
		if closed[i] {
			continue
		}
		if _, err := replies[i].Feed.Next(t.Context()); !errors.Is(err, io.EOF) {
			t.Errorf("feed %d: %v, want io.EOF", i, err)
		}
		replies[i].Feed.Close()
	}
	if backend.openWatchers() != 0 || server.OpenFeeds() != 0 {
		t.Error("something of the watches is left")
	}
}

// Watches of which the first state cannot be read leave nothing behind.
func TestFeedThatDoesNotOpen(t *testing.T) {
	t.Parallel()
	server, backend := memoryServer(func(o *setup) { o.backend = stateless{o.backend} })
	call := admit(t, server, "watch")
	call.Receive(nil)
	if reply := call.Serve(t.Context(), &countingWaker{}); reply.Feed != nil || reply.Head.Status != 503 {
		t.Errorf("status %d, feed %v", reply.Head.Status, reply.Feed)
	}
	if backend.openWatchers() != 0 || server.OpenFeeds() != 0 {
		t.Error("something of the watch is left")
	}
}

// stateless is a backend that opens watches but cannot read.
type stateless struct{ kvconnect.Backend }

func (b stateless) Watch(watch protocol.Watch, changed func()) (protocol.Watcher, error) {
	watcher, err := b.Backend.Watch(watch, changed)
	return statelessWatcher{watcher}, err
}

type statelessWatcher struct{ protocol.Watcher }

func (statelessWatcher) State(context.Context) (protocol.WatchOutput, error) {
	return protocol.WatchOutput{}, protocol.ErrUnavailable
}

func TestFeedsShareTheKeepAlive(t *testing.T) {
	t.Parallel()
	server, _ := memoryServer(func(o *setup) { o.WatchKeepAlive = 7 * time.Second })
	reply, _ := openFeed(t, server)
	defer reply.Feed.Close()
	frame, silence := reply.Feed.KeepAlive()
	if !bytes.Equal(frame, protocol.KeepAliveFrame()) || silence != 7*time.Second {
		t.Errorf("frame %x after %v", frame, silence)
	}
	if again, _ := reply.Feed.KeepAlive(); &again[0] != &frame[0] {
		t.Error("each keep-alive has a frame of its own")
	}
}

// quietBackend has watches that cost nothing.
type quietBackend struct{ kvconnect.Backend }

type quietWatcher struct{}

func (quietBackend) Watch(protocol.Watch, func()) (protocol.Watcher, error) {
	return quietWatcher{}, nil
}

func (quietWatcher) State(context.Context) (protocol.WatchOutput, error) {
	return protocol.WatchOutput{Entries: []*protocol.Entry{nil}}, nil
}

func (quietWatcher) Close() {}

// BenchmarkOpenFeed opens watches of one key, and reports the memory that each holds
// besides that of the backend and of the transport.
func BenchmarkOpenFeed(b *testing.B) {
	const watches = 100_000
	server, _ := memoryServer(func(o *setup) { o.backend = quietBackend{} })
	request := transport.Request{Method: http.MethodPost, Path: "/v2/watch", Header: memoryHeader()}
	body := marshal(b, &datapath.Watch{Keys: []*datapath.WatchKey{{Key: []byte{1}}}})
	waker := &countingWaker{}
	feeds := make([]transport.Feed, watches)
	ctx := b.Context()
	b.ReportAllocs()
	held := uint64(0)
	for b.Loop() {
		before := heapBytes()
		for i := range feeds {
			call, _ := server.Admit(request)
			call.Receive(body)
			feeds[i] = call.Serve(ctx, waker).Feed
		}
		held = heapBytes() - before
		for i, feed := range feeds {
			feed.Close()
			feeds[i] = nil
		}
	}
	b.ReportMetric(float64(held)/watches, "bytes/watch")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/watches, "ns/watch")
}

// heapBytes is what is in use.
func heapBytes() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
