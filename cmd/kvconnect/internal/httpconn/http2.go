package httpconn

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	// What the client grants the server: enough that no reply waits for it.
	streamWindow     = 4 << 20
	connectionWindow = 64 << 20

	defaultWindow     = 65535 // of RFC 9113, until settings say otherwise
	defaultTableBytes = 4096
	defaultFrameBytes = 16384
	unlimitedStreams  = 1<<31 - 1
)

// http2Conn is a connection that carries many calls at a time. Whoever calls puts
// frames into out; the writer sends all that has gathered there in one write; the
// reader hands replies out.
type http2Conn struct {
	conn     net.Conn
	patience time.Duration
	wake     chan struct{} // out holds something; room for one
	room     chan struct{} // a stream has ended while calls waited for one; room for one
	failed   chan struct{} // closed when the connection is of no use any more
	ended    sync.WaitGroup

	// Used by the reader alone.
	in      *http2.Framer
	reader  *bufio.Reader
	decoder *hpack.Decoder
	headers headerBlock

	mu      sync.Mutex // guards what follows
	err     error      // why the connection takes no further calls
	dead    bool       // failed is closed
	frames  *http2.Framer
	out     outBuffer
	routes  headerEncoder
	streams map[uint32]*Call
	nextID  uint32
	// busySince is when the first of the calls under way began that followed on none.
	busySince time.Time
	// What the server grants.
	settled     bool // its settings have come
	maxStreams  uint32
	frameBytes  int
	firstWindow int64 // of a new stream
	window      int64 // of the connection; the settings may not change it
	blocked     []*Call
	unreported  uint32 // bytes received since the last WINDOW_UPDATE of the connection
}

// stream is what the connection knows of a call under way. It is guarded by the
// connection's mutex.
type stream struct {
	id          uint32
	window      int64  // how much may be sent
	unsent      []byte // of the body
	headersRead bool
	unreported  uint32
	err         error
	done        chan struct{} // gets a token when the call has ended; room for one
	onEnd       func(error)   // is told in its place; nil for none
}

// outBuffer collects frames.
type outBuffer struct{ data []byte }

// Write implements io.Writer.
func (b *outBuffer) Write(p []byte) (int, error) {
	b.data = append(b.data, p...)
	return len(p), nil
}

// newHTTP2 begins the connection and waits for the settings of the server, which say
// how many calls it takes and what it remembers of headers.
func newHTTP2(ctx context.Context, conn net.Conn, origin *url.URL, patience time.Duration) (*http2Conn, error) {
	c := &http2Conn{
		conn: conn, patience: patience,
		wake: make(chan struct{}, 1), room: make(chan struct{}, 1), failed: make(chan struct{}),
		reader:  bufio.NewReaderSize(conn, readBufferBytes),
		streams: make(map[uint32]*Call), nextID: 1,
		maxStreams: unlimitedStreams, frameBytes: defaultFrameBytes, firstWindow: defaultWindow, window: defaultWindow,
	}
	c.in = http2.NewFramer(nil, c.reader)
	c.in.SetReuseFrames()
	c.in.SetMaxReadFrameSize(defaultFrameBytes)
	c.decoder = hpack.NewDecoder(defaultTableBytes, c.headers.field)
	c.frames = http2.NewFramer(&c.out, nil)
	c.routes = newHeaderEncoder(origin)

	c.out.data = append(c.out.data, http2.ClientPreface...)
	// Writes to out do not fail, nor do frames of this kind.
	_ = c.frames.WriteSettings(
		http2.Setting{ID: http2.SettingEnablePush, Val: 0},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: streamWindow})
	_ = c.frames.WriteWindowUpdate(0, connectionWindow-defaultWindow)

	// Whoever gives up a connection is seen by both goroutines.
	stop := context.AfterFunc(ctx, func() { c.fail(fmt.Errorf("%w: no HTTP/2 settings came", ErrSilent)) })
	settled := make(chan struct{})
	c.ended.Go(c.write)
	c.ended.Go(func() { c.read(settled) })
	c.wakeWriter()
	select {
	case <-settled:
	case <-c.failed:
	}
	if !stop() {
		c.fail(ErrSilent)
	}
	if err := c.failure(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Broken implements Conn.
func (c *http2Conn) Broken() bool { return c.failure() != nil }

func (c *http2Conn) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Idle implements Conn.
func (c *http2Conn) Idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.streams) == 0
}

// Close implements Conn.
func (c *http2Conn) Close() {
	c.fail(ErrLost)
	c.ended.Wait()
}

// Do implements Conn.
func (c *http2Conn) Do(ctx context.Context, call *Call) error {
	if err := c.begin(ctx, call, nil); err != nil {
		return err
	}
	select {
	case <-call.stream.done:
		return call.stream.err
	case <-ctx.Done():
	}
	c.mu.Lock()
	if c.streams[call.stream.id] == call {
		c.reset(call, http2.ErrCodeCancel)
		c.end(call, ctx.Err())
	}
	c.mu.Unlock()
	<-call.stream.done
	return call.stream.err
}

// Start implements Conn.
func (c *http2Conn) Start(ctx context.Context, call *Call, onEnd func(error)) error {
	return c.begin(ctx, call, onEnd)
}

// begin opens a stream for the call as soon as the server takes one more.
func (c *http2Conn) begin(ctx context.Context, call *Call, onEnd func(error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.err == nil && uint32(len(c.streams)) >= c.maxStreams { //nolint:gosec // far fewer than 2^32
		c.mu.Unlock()
		var err error
		select {
		case <-c.room:
		case <-c.failed:
		case <-ctx.Done():
			err = ctx.Err()
		}
		c.mu.Lock()
		if err != nil {
			return err
		}
	}
	c.tellRoom() // one token wakes one call, and there may be room for more
	if c.err != nil {
		return c.err
	}
	c.open(call, onEnd)
	return nil
}

// open sends the headers of the call, and as much of its body as the server takes.
func (c *http2Conn) open(call *Call, onEnd func(error)) {
	call.reset()
	s := &call.stream
	if s.done == nil && onEnd == nil {
		s.done = make(chan struct{}, 1)
	}
	*s = stream{id: c.nextID, window: c.firstWindow, unsent: call.Body, done: s.done, onEnd: onEnd}
	c.nextID += 2
	if len(c.streams) == 0 {
		c.busySince = time.Now()
	}
	c.streams[s.id] = call
	if c.nextID >= unlimitedStreams {
		c.err = fmt.Errorf("%w: it has used up its streams", ErrLost)
	}
	block := c.routes.encode(call.Route, len(call.Body))
	c.sendHeaders(s.id, block, len(call.Body) == 0)
	if len(call.Body) > 0 && !c.sendBody(call) {
		c.blocked = append(c.blocked, call)
	}
	c.wakeWriter()
}

// end takes the call out of the connection and tells who waits for it.
func (c *http2Conn) end(call *Call, err error) {
	delete(c.streams, call.stream.id)
	if len(call.stream.unsent) > 0 {
		c.blocked = slices.DeleteFunc(c.blocked, func(other *Call) bool { return other == call })
	}
	if call.stream.onEnd != nil {
		call.stream.onEnd(err)
	} else {
		call.stream.err = err
		call.stream.done <- struct{}{}
	}
	c.tellRoom()
}

// tellRoom wakes one call that waits for a stream, if there is room for it.
func (c *http2Conn) tellRoom() {
	if uint32(len(c.streams)) < c.maxStreams { //nolint:gosec // far fewer than 2^32
		select {
		case c.room <- struct{}{}:
		default:
		}
	}
}

// fail ends the connection with everything on it. The first reason counts.
func (c *http2Conn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead {
		return
	}
	c.dead = true
	if c.err == nil {
		c.err = err
	}
	for _, call := range c.streams {
		c.end(call, err)
	}
	close(c.failed)
	_ = c.conn.Close() // reads and writes fail, and both goroutines end
}
