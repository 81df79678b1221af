package transport_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// client is one connection of HTTP/2 of which a test decides every frame. It belongs to
// one goroutine, and keeps what it has read for the test to look at.
type client struct {
	*http2.Framer
	t    testing.TB
	conn net.Conn

	held    bytes.Buffer // frames that together has not sent yet
	holding bool

	block   bytes.Buffer
	encoder *hpack.Encoder
	decoder *hpack.Decoder
	last    uint32 // the newest stream

	replies      map[uint32]*reply
	settings     map[http2.SettingID]uint32 // of the server
	settingsAcks int
	pings        int // of the server
	lastPing     [8]byte
	pongs        [][8]byte
	goAways      []goAway
	windows      windows  // what the server lets the client send
	granted      windows  // what the client lets the server send
	sizes        []uint32 // initial windows in SETTINGS not acknowledged yet

	silent bool // does not answer PING and SETTINGS, nor returns the windows of replies
}

// reply is what has come on a stream.
type reply struct {
	status   string
	interim  []string // statuses of 1xx
	fields   []hpack.HeaderField
	trailers []hpack.HeaderField
	body     []byte
	pieces   []int // the lengths of the DATA frames
	ended    bool
	reset    *http2.ErrCode
}

// field gives the value of the only field of a name.
func (r *reply) field(name string) string {
	for _, field := range r.fields {
		if field.Name == name {
			return field.Value
		}
	}
	return ""
}

func (r *reply) String() string {
	if r.reset != nil {
		return fmt.Sprintf("reset with %v", *r.reset)
	}
	return fmt.Sprintf("status %s, %d bytes, ended: %t", r.status, len(r.body), r.ended)
}

type goAway struct {
	last uint32
	code http2.ErrCode
}

// dial connects and sends the preface with some settings.
func dial(t testing.TB, address string, settings ...http2.Setting) *client {
	t.Helper()
	return greet(t, dialTCP(t, address), settings...)
}

// greet sends the preface with some settings on a new connection.
func greet(t testing.TB, conn net.Conn, settings ...http2.Setting) *client {
	t.Helper()
	c := newClient(t, conn)
	c.check(io.WriteString(c.conn, http2.ClientPreface))
	c.configure(settings...)
	return c
}

// dialTCP connects, and closes the connection with the test.
func dialTCP(t testing.TB, address string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(2 * patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// newClient gives a client that has sent nothing yet.
func newClient(t testing.TB, conn net.Conn) *client {
	c := &client{
		t: t, conn: conn,
		replies: map[uint32]*reply{}, settings: map[http2.SettingID]uint32{},
		windows: newWindows(), granted: newWindows(),
	}
	c.Framer = http2.NewFramer(c, conn)
	c.AllowIllegalWrites = true
	c.SetMaxReadFrameSize(defaultFrameSize)
	c.encoder = hpack.NewEncoder(&c.block)
	c.decoder = hpack.NewDecoder(4096, nil)
	return c
}

// Write sends frames, or keeps them for together.
func (c *client) Write(frames []byte) (int, error) {
	if c.holding {
		return c.held.Write(frames)
	}
	return c.conn.Write(frames)
}

// together sends all that is written by a function at once.
func (c *client) together(write func()) {
	c.t.Helper()
	c.holding = true
	write()
	c.holding = false
	c.check(c.held.WriteTo(c.conn))
}

func (c *client) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) check(_ any, err error) {
	c.t.Helper()
	c.must(err)
}

// encode gives the header block of pairs of names and values.
func (c *client) encode(fields ...string) []byte {
	c.t.Helper()
	c.block.Reset()
	for pair := range slices.Chunk(fields, 2) {
		c.must(c.encoder.WriteField(hpack.HeaderField{Name: pair[0], Value: pair[1]}))
	}
	return bytes.Clone(c.block.Bytes())
}

// post gives the fields of a POST, and more.
func post(path string, fields ...string) []string {
	return append([]string{":method", "POST", ":scheme", "http", ":authority", "kv.test", ":path", path}, fields...)
}

// open starts a new stream with a header and no end.
func (c *client) open(fields ...string) (stream uint32) {
	c.t.Helper()
	return c.head(false, fields...)
}

// get starts a new stream with a header that ends it.
func (c *client) get(fields ...string) (stream uint32) {
	c.t.Helper()
	return c.head(true, fields...)
}

func (c *client) head(endStream bool, fields ...string) (stream uint32) {
	c.t.Helper()
	stream = c.newStream()
	c.must(c.WriteHeaders(http2.HeadersFrameParam{
		StreamID: stream, BlockFragment: c.encode(fields...), EndHeaders: true, EndStream: endStream,
	}))
	return stream
}

// newStream gives the number of a stream that is for the test to open.
func (c *client) newStream() uint32 {
	c.last++
	if c.last > 1 {
		c.last++
	}
	return c.last
}

// post sends a whole request with a body that the windows let through.
func (c *client) post(path, body string, fields ...string) (stream uint32) {
	c.t.Helper()
	c.together(func() {
		stream = c.open(post(path, fields...)...)
		c.data(stream, true, body)
	})
	return stream
}

// data sends a DATA frame.
func (c *client) data(stream uint32, endStream bool, text string) {
	c.t.Helper()
	c.windows.use(stream, len(text))
	c.must(c.WriteData(stream, endStream, []byte(text)))
}

// upload sends a body as the windows and the frame size of the server allow, and ends
// the stream. It stops early if the server resets the stream or has answered in full.
func (c *client) upload(stream uint32, body []byte) {
	c.t.Helper()
	c.until("settings", func() bool { return len(c.settings) > 0 })
	for len(body) > 0 {
		c.until("a window for the request", func() bool {
			return c.windows.of(stream) > 0 || c.at(stream).reset != nil || c.at(stream).ended
		})
		if c.at(stream).reset != nil || c.at(stream).ended {
			return
		}
		n := min(len(body), int(c.windows.of(stream)), c.maxFrameSize())
		c.data(stream, n == len(body), string(body[:n]))
		body = body[n:]
	}
}

func (c *client) maxFrameSize() int {
	return int(max(c.settings[http2.SettingMaxFrameSize], defaultFrameSize))
}

// at gives the reply on a stream as far as it was read.
func (c *client) at(stream uint32) *reply {
	if c.replies[stream] == nil {
		c.replies[stream] = &reply{}
	}
	return c.replies[stream]
}

// until reads frames until something is so.
func (c *client) until(what string, isSo func() bool) {
	c.t.Helper()
	for !isSo() {
		if err := c.readOne(); err != nil {
			c.t.Fatalf("wait for %s: %v; %v", what, err, c.goAways)
		}
	}
}

// readOne reads a frame.
func (c *client) readOne() error {
	frame, err := c.ReadFrame()
	if err != nil {
		return err
	}
	return c.take(frame)
}

// reply waits until a stream is over.
func (c *client) reply(stream uint32) *reply {
	c.t.Helper()
	r := c.at(stream)
	c.until(fmt.Sprintf("the reply on stream %d", stream), func() bool { return r.ended || r.reset != nil })
	return r
}

var errProtocol = errors.New("the server breaks the protocol")
