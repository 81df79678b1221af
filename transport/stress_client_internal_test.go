package transport

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strconv"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

var stressTrailer = hpack.HeaderField{Name: "x-trailer", Value: "1"}

// stressClient is a connection whose frames are written one by one.
type stressClient struct {
	t      *testing.T
	socket *net.TCPConn
	framer *http2.Framer
	block  bytes.Buffer
	hpack  *hpack.Encoder
	nextID uint32

	bodies map[uint32][]byte
	ended  map[uint32]bool
	resets map[uint32]http2.ErrCode
	pongs  int
	goAway *http2.ErrCode
	err    error // of reading
}

func newStressClient(t *testing.T, addr string, settings ...http2.Setting) *stressClient {
	t.Helper()
	socket, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	tcp, ok := socket.(*net.TCPConn)
	if !ok {
		t.Fatal("no TCP")
	}
	c := &stressClient{
		t: t, socket: tcp, framer: http2.NewFramer(socket, socket), nextID: 1,
		bodies: make(map[uint32][]byte), ended: make(map[uint32]bool), resets: make(map[uint32]http2.ErrCode),
	}
	c.hpack = hpack.NewEncoder(&c.block)
	c.framer.AllowIllegalWrites = true
	if _, err := io.WriteString(socket, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	c.must(c.framer.WriteSettings(settings...))
	return c
}

func (c *stressClient) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// fields gives the block of a POST.
func (c *stressClient) fields(path string, more ...string) []byte {
	c.block.Reset()
	all := append([]string{":method", "POST", ":scheme", "http", ":authority", "kv", ":path", path}, more...)
	for i := 0; i < len(all); i += 2 {
		_ = c.hpack.WriteField(hpack.HeaderField{Name: all[i], Value: all[i+1]}) // into memory
	}
	return c.block.Bytes()
}

// request sends a header.
func (c *stressClient) request(path string, end bool, more ...string) (id uint32) {
	c.t.Helper()
	id = c.nextID
	c.nextID += 2
	c.must(c.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, BlockFragment: c.fields(path, more...), EndStream: end, EndHeaders: true,
	}))
	return id
}

func (c *stressClient) get(path string, size int) (id uint32) {
	c.t.Helper()
	return c.request(path, true, "x-size", strconv.Itoa(size))
}

// readUntil reads frames until something is so, or for as long as patience lasts.
func (c *stressClient) readUntil(what string, is func() bool) {
	c.t.Helper()
	c.must(c.socket.SetReadDeadline(time.Now().Add(stressPatience)))
	for !is() {
		if !c.readFrame() {
			c.t.Fatalf("in vain: %s: %v", what, c.err)
		}
	}
}

func (c *stressClient) readFrame() bool {
	frame, err := c.framer.ReadFrame()
	if err != nil {
		c.err = err
		return false
	}
	switch frame := frame.(type) {
	case *http2.DataFrame:
		c.bodies[frame.StreamID] = append(c.bodies[frame.StreamID], frame.Data()...)
		c.ended[frame.StreamID] = frame.StreamEnded()
	case *http2.HeadersFrame:
		c.ended[frame.StreamID] = frame.StreamEnded()
	case *http2.RSTStreamFrame:
		c.resets[frame.StreamID] = frame.ErrCode
	case *http2.GoAwayFrame:
		code := frame.ErrCode
		c.goAway = &code
	case *http2.PingFrame:
		if frame.IsAck() {
			c.pongs++
		} else {
			c.must(c.framer.WritePing(true, frame.Data))
		}
	}
	return true
}

// readToEnd reads until the server ends the connection, and gives how.
func (c *stressClient) readToEnd() error {
	c.t.Helper()
	c.must(c.socket.SetReadDeadline(time.Now().Add(stressPatience)))
	for c.readFrame() {
	}
	if errors.Is(c.err, io.EOF) {
		return nil
	}
	return c.err
}
