package transport

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"time"

	"golang.org/x/net/http2"
)

// conn is a connection that speaks HTTP/2. One goroutine at a time reads all frames; it,
// the workers of calls that are not quick, the tellers of feeds and the watchdog send.
//
// Nothing that belongs to a Handler is called with mu held, because feeds are woken with
// locks of theirs held.
type conn struct {
	server *Server
	socket *socket
	//nolint:containedctx // it is the life of the connection, which quick calls share
	ctx    context.Context
	cancel context.CancelFunc
	gone   chan struct{} // closed when the connection is no longer the server's
	https  *httpSide     // what net/http's handler needs to know

	// The goroutine of the connection alone uses these.
	input    input
	framer   *http2.Framer
	header   headerBlock
	settled  bool // the client's first settings have arrived
	atATime  int  // frames served since others had their turn
	idleness idleness
	lone     int // calls in a row that were not quick, and alone

	mu sync.Mutex
	// All below are guarded by mu.
	stage      stage
	streams    map[uint32]*stream
	lastID     uint32    // of the streams that the client has begun
	admitting  bool      // the last of them is not yet among streams
	inputEnded bool      // the client has closed its side
	unanswered int       // streams without a reply
	foreign    int       // streams that carry no call that was admitted
	uploads    int       // streams whose body is not there
	discards   int       // streams of which only the rest of the body is awaited
	httpCalls  int       // that net/http's handler serves
	spare      []*stream // to be used again
	ended      []Feed    // to be closed once mu is not held
	refused    recentIDs // streams that the server has ended early

	out        output
	windows    windows
	work       work
	toTell     streamList // feeds that may have news
	telling    bool       // a teller has the connection, or will have
	times      times
	settingsIn peerSettings
}

// peerSettings is what the client has asked for.
type peerSettings struct {
	streamWindowBytes int64
	// smallTable tells that the client has made the table smaller that replies may fill,
	// and emptied that it was told of the answer to it.
	smallTable, emptied bool
}

func newConn(s *Server, socket net.Conn) *conn {
	c := &conn{
		server: s, socket: newSocket(socket), gone: make(chan struct{}),
		streams: make(map[uint32]*stream), windows: newWindows(),
		settingsIn: peerSettings{streamWindowBytes: defaultWindowBytes},
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.input = input{socket: c.socket, drained: c.inputDrained, arrived: c.inputArrived}
	c.framer = http2.NewFramer(io.Discard, &c.input)
	c.framer.SetReuseFrames()
	c.framer.SetMaxReadFrameSize(maxFrameBytes)
	c.header.init(s.limits.maxHeaderListBytes)
	c.work.room.L, c.out.changed.L = &c.mu, &c.mu
	c.times.begin(s.clock.Load())
	c.https = newHTTPSide(c)
	return c
}

// serve serves the connection until it ends, or another goroutine goes on with that.
func (c *conn) serve() {
	c.greet()
	c.serveFrames()
}

// serveFrames is serve after the greeting.
func (c *conn) serveFrames() {
	err := c.readFrames()
	if errors.Is(err, errHandedOver) {
		return
	}
	switch reason, isConnError := errors.AsType[http2.ConnectionError](err); {
	case isConnError:
		c.giveUp(http2.ErrCode(reason))
	case errors.Is(err, io.EOF):
		c.finishAfterEOF()
	}
	c.cut()
	c.input.close()
	c.server.forget(c)
}

// greet sends what the server asks for.
func (c *conn) greet() {
	c.mu.Lock()
	c.appendSettings(
		http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: uint32(c.server.limits.maxConcurrentStreams)}, //nolint:gosec // a limit
		http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: uint32(c.server.limits.maxHeaderListBytes)},      //nolint:gosec // a limit
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: streamWindowBytes},
	)
	c.appendWindowUpdate(0, receiveWindowBytes-defaultWindowBytes)
	c.unlock()
}

// readFrames reads frames and gives why there are no more.
func (c *conn) readFrames() error {
	for {
		frame, err := c.readFrame()
		if err == nil {
			err = c.receive(frame)
		}
		if errors.Is(err, errHandedOver) {
			return err
		}
		c.input.nextFrame()
		if err == nil {
			c.takeTurns()
			continue
		}
		if errors.Is(err, http2.ErrFrameTooLarge) {
			return http2.ConnectionError(http2.ErrCodeFrameSize)
		}
		streamError, ok := errors.AsType[http2.StreamError](err)
		if !ok {
			return err
		}
		if err := c.receiveStreamError(streamError); err != nil {
			return err
		}
	}
}

// readFrame reads a frame, and says of those that cannot be one what the protocol says.
func (c *conn) readFrame() (http2.Frame, error) {
	header, err := c.framer.ReadFrameHeader()
	if err != nil {
		return nil, err
	}
	frame, err := c.framer.ReadFrameForHeader(header)
	if errors.Is(err, io.ErrUnexpectedEOF) && c.input.err == nil {
		// All of it is here, and less than such a frame has.
		return nil, http2.ConnectionError(http2.ErrCodeFrameSize)
	}
	if _, ok := errors.AsType[http2.StreamError](err); ok && header.Type == http2.FrameHeaders {
		// Its block is not known, so the ones after it cannot be read.
		return nil, http2.ConnectionError(http2.ErrCodeProtocol)
	}
	return frame, err
}

// takeTurns lets other goroutines run now and then: a client that sends without a pause
// must not hold a processor until it is taken away.
func (c *conn) takeTurns() {
	c.atATime++
	if c.atATime >= framesAtATime {
		c.atATime = 0
		runtime.Gosched()
	}
}

// receive does what a frame asks for.
func (c *conn) receive(frame http2.Frame) error {
	if _, isSettings := frame.(*http2.SettingsFrame); !isSettings && !c.settled {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	switch frame := frame.(type) {
	case *http2.DataFrame:
		return c.receiveData(frame)
	case *http2.HeadersFrame:
		return c.receiveHeaders(frame)
	case *http2.ContinuationFrame:
		return c.receiveContinuation(frame)
	case *http2.WindowUpdateFrame:
		return c.receiveWindowUpdate(frame)
	case *http2.RSTStreamFrame:
		return c.receiveReset(frame)
	case *http2.SettingsFrame:
		return c.receiveSettings(frame)
	case *http2.PingFrame:
		return c.receivePing(frame)
	case *http2.PriorityFrame:
		return c.receivePriority(frame)
	case *http2.PushPromiseFrame:
		return http2.ConnectionError(http2.ErrCodeProtocol)
	default: // GOAWAY changes nothing: a client that means it sends no more requests
		return c.idleness.note(1)
	}
}

// inputDrained sends what there is before the goroutine waits for more. What has arrived is
// acknowledged, unless what was sent does that: a client that keeps something back waits for
// it.
func (c *conn) inputDrained(partial, advanced bool) {
	c.mu.Lock()
	c.times.partial(partial, c.header.open || !c.settled, advanced, c.server.clock.Load())
	c.flush()
	waits := partial || c.unanswered > 0 || !c.out.sentSince
	c.unlock()
	if waits {
		c.socket.acknowledge()
	}
}

// inputArrived leaves what has arrived alone until the client takes some of what was sent
// to it: the replies to more requests would only pile up.
func (c *conn) inputArrived() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.times.lastRead = c.server.clock.Load()
	c.out.sentSince = false
	if !c.out.isFull() {
		return
	}
	c.times.partialSince = 0 // it is not the client that is waited for
	for c.out.isFull() && !c.out.broken {
		c.out.changed.Wait()
		c.times.lastRead = c.server.clock.Load() // it has taken something, so it lives
	}
}

// unlock gives mu back, and closes the feeds that have ended meanwhile.
func (c *conn) unlock() {
	ended := c.ended
	c.ended = nil
	c.mu.Unlock()
	for _, feed := range ended {
		feed.Close()
	}
}

// giveUp tells the client what it did wrong, and lets it read that.
func (c *conn) giveUp(code http2.ErrCode) {
	c.mu.Lock()
	c.appendGoAway(c.lastID, code)
	c.stage = stageClosed
	c.dropStreams()
	c.flush()
	c.unlock()
	c.linger()
}

// finishAfterEOF answers the requests that have come whole: who has closed its side may
// still read.
func (c *conn) finishAfterEOF() {
	c.mu.Lock()
	c.inputEnded = true
	for _, s := range c.streams {
		switch {
		case !s.remoteEnded:
			c.finish(s)
		case len(s.rest) > 0 && s.sendWindowBytes <= 0:
			c.resetStuck(s)
		}
	}
	c.endFeeds()
	c.flush()
	for !c.isDone() {
		c.out.changed.Wait()
	}
	c.unlock()
}

// isDone tells that nothing is left to be sent. The caller holds mu.
func (c *conn) isDone() bool {
	return c.out.broken || len(c.streams) == 0 && !c.admitting && !c.out.busy()
}

// linger reads on for a moment after all is said, or the client might lose the end of it.
func (c *conn) linger() {
	c.mu.Lock()
	for c.out.busy() && !c.out.broken {
		c.out.changed.Wait()
	}
	c.unlock()
	c.socket.closeWrite()
	_ = c.socket.SetReadDeadline(time.Now().Add(lingerTimeout)) // cut ends it otherwise
	for range maxLingerReads {
		buffer, _, err := c.socket.receive(c.input.buffer)
		c.input.buffer = buffer
		if err != nil {
			return
		}
	}
}

// cut ends the connection at once.
func (c *conn) cut() {
	c.mu.Lock()
	c.stage = stageClosed
	c.breakOff()
	c.dropStreams()
	c.unlock()
	c.cancel()
}

// breakOff has nothing more sent or read, which ends the goroutine of the connection. The
// caller holds mu.
func (c *conn) breakOff() {
	c.out.broken = true
	c.out.changed.Broadcast()
	_ = c.socket.Close() // it may be closed already
}

// dropStreams ends all streams. The caller holds mu.
func (c *conn) dropStreams() {
	for _, s := range c.streams {
		c.finish(s)
	}
}
