package transport_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/transport"
	"golang.org/x/net/http2"
)

// startFuzzed starts a server for a fuzz target. It listens on a socket in a file: unlike
// ports, those do not run out.
func startFuzzed(f *testing.F) (address string) {
	f.Helper()
	folder, err := os.MkdirTemp("", "fuzz") // the one of a test may have too long a name
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = os.RemoveAll(folder) })
	address = filepath.Join(folder, "socket")
	listener, err := (&net.ListenConfig{}).Listen(f.Context(), "unix", address)
	if err != nil {
		f.Fatal(err)
	}
	handler := newCalls(panicking{f})
	handler.maxBodyBytes = 1000
	handler.release()
	logger := slog.New(noErrors{t: panicking{f}, Handler: slog.DiscardHandler})
	server := transport.New(&http.Server{
		Handler: rest(handler), MaxHeaderBytes: 1000, ReadHeaderTimeout: time.Second, IdleTimeout: time.Second,
		HTTP2:    &http.HTTP2Config{MaxConcurrentStreams: 10},
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelWarn),
	}, handler, transport.Options{
		Logger: logger, BodyTimeout: time.Second, PingAfter: time.Second, PingTimeout: time.Second, WriteTimeout: time.Second,
	})
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	f.Cleanup(func() {
		_ = server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			f.Errorf("Serve ended with %v", err)
		}
	})
	return address
}

// panicking is for what a server finds wrong while it is fuzzed: f itself may not be used
// while inputs run.
type panicking struct{ testing.TB }

func (panicking) Error(args ...any) { panic(args) }

func (panicking) Errorf(format string, args ...any) { panic([]any{format, args}) }

// converse sends all of an input, closes that side of the connection, and reads until the
// server has closed it as well, which it has to: there is nothing more to come. All that
// the server sends has to be valid.
func converse(t *testing.T, address string, input []byte) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "unix", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = conn.Write(input) // the server may be fed up before the end
		if half, ok := conn.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	}()
	defer func() { <-written }()
	c := newClient(t, conn)
	c.silent = true
	c.granted.conn, c.granted.initial = 1<<40, 1<<40 // whatever the input has granted
	for {
		frame, err := c.ReadFrame()
		if err == nil {
			if err = c.take(frame); err == nil {
				continue
			}
		}
		if !isClosed(err) {
			t.Fatalf("the server says: %v", err)
		}
		return
	}
}

// opening is how a client begins.
var opening = http2.ClientPreface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00"

// Whatever comes after the preface, the server goes on to serve and the connection ends
// with what was sent.
func FuzzBytes(f *testing.F) {
	for _, seed := range frameSeeds() {
		f.Add(seed)
	}
	address := startFuzzed(f)
	f.Fuzz(func(t *testing.T, input []byte) {
		converse(t, address, append([]byte(http2.ClientPreface), input...))
	})
}

// frameSeeds are conversations after the preface.
func frameSeeds() (seeds [][]byte) {
	settings := opening[len(http2.ClientPreface):]
	write := func(send func(frames *http2.Framer)) {
		var sent bytes.Buffer
		sent.WriteString(settings)
		frames := http2.NewFramer(&sent, nil)
		frames.AllowIllegalWrites = true
		send(frames)
		seeds = append(seeds, sent.Bytes())
	}
	at := &attacker{}
	head := func(frames *http2.Framer, stream uint32, path string, end bool) {
		_ = frames.WriteHeaders(http2.HeadersFrameParam{
			StreamID: stream, BlockFragment: at.encodeLiteral(post(path)...), EndHeaders: true, EndStream: end,
		})
	}
	for _, path := range []string{"/v2/echo", "/v2/patient", "/v2/slow", "/v2/big", "/v2/feed", "/v2/refused", "/", "/stream", "/big"} {
		write(func(frames *http2.Framer) {
			head(frames, 1, path, false)
			_ = frames.WriteData(1, false, []byte("10"))
			head(frames, 3, path, true)
			_ = frames.WriteDataPadded(1, true, []byte("00"), []byte{0})
			_ = frames.WriteRSTStream(3, http2.ErrCodeCancel)
		})
	}
	write(func(frames *http2.Framer) {
		_ = frames.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 3})
		head(frames, 1, "/v2/feed", true)
		_ = frames.WriteWindowUpdate(1, 3)
		_ = frames.WriteWindowUpdate(0, 3)
		_ = frames.WritePing(false, [8]byte{})
		_ = frames.WritePriority(5, http2.PriorityParam{})
		_ = frames.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		_ = frames.WriteGoAway(0, 0, nil)
	})
	write(func(frames *http2.Framer) {
		_ = frames.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: at.encodeLiteral(":method", "POST")})
		_ = frames.WriteContinuation(1, true, at.encodeLiteral(post("/")[2:]...))
		_ = frames.WriteRawFrame(0xfa, 1, 1, []byte("x"))
		_ = frames.WritePushPromise(http2.PushPromiseParam{StreamID: 1, PromiseID: 2})
	})
	return append(seeds, nil, []byte(settings), []byte(settings[:5]))
}

// A script of what clients do is made of frames that a server knows, so more of it gets
// past the Framer: for each step a byte says which, and those after it what is in it.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d"))
	f.Add([]byte("\x00\x00\x00\x10\x01\x00\x05ab\x00\x02\x00\x03"))
	f.Add([]byte("\x09\x00\x00\x04\x00\x34\x01\x00\x05\x07\x00\xff\x06\x00\x00"))
	f.Add(bytes.Repeat([]byte("\x00\x44\x0a\x00"), 30))
	address := startFuzzed(f)
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 1000 {
			return
		}
		converse(t, address, append([]byte(opening), framesOf(script)...))
	})
}

// framesOf gives the frames of a script.
func framesOf(script []byte) []byte {
	var sent bytes.Buffer
	frames := http2.NewFramer(&sent, nil)
	frames.AllowIllegalWrites = true
	paths := []string{"/v2/echo", "/v2/patient", "/v2/slow", "/v2/big", "/v2/feed", "/v2/refused", "/", "/stream", "/big", "/first", "", "*"}
	at := &attacker{}
	next := uint32(1)
	read := func() (b byte) {
		if len(script) > 0 {
			b, script = script[0], script[1:]
		}
		return b
	}
	stream := func() uint32 { return (next - 2*uint32(read()%8)) & (1<<31 - 1) } // a recent one
	for len(script) > 0 && sent.Len() < 1<<16 {
		switch read() % 14 {
		case 0, 1:
			what := read()
			_ = frames.WriteHeaders(http2.HeadersFrameParam{
				StreamID: next, BlockFragment: at.encodeLiteral(post(paths[int(what%16)%len(paths)])...),
				EndHeaders: what&64 == 0, EndStream: what&128 == 0, PadLength: what & 32,
			})
			next += 2
		case 2, 3:
			what := read()
			_ = frames.WriteData(stream(), what&128 == 0, bytes.Repeat([]byte{'1'}, int(what&127)))
		case 4:
			_ = frames.WriteDataPadded(stream(), read() == 0, []byte("12"), make([]byte, read()))
		case 5:
			_ = frames.WriteWindowUpdate(stream(), uint32(read()))
		case 6:
			_ = frames.WriteWindowUpdate(0, uint32(read())<<(read()%24))
		case 7:
			_ = frames.WriteRSTStream(stream(), http2.ErrCode(read()))
		case 8:
			_ = frames.WritePing(read()%2 == 0, [8]byte{read()})
		case 9:
			_ = frames.WriteSettings(http2.Setting{ID: http2.SettingID(read() % 8), Val: uint32(read()) << (read() % 32)})
		case 10:
			_ = frames.WriteContinuation(stream()+2, read()%2 == 0, at.encodeLiteral("x-a", "b"))
		case 11:
			what := read()
			_ = frames.WriteHeaders(http2.HeadersFrameParam{ // trailers
				StreamID: stream(), BlockFragment: at.encodeLiteral("x-a", "b"), EndHeaders: what&1 == 0, EndStream: what&2 == 0,
			})
		case 12:
			_ = frames.WritePriority(stream(), http2.PriorityParam{StreamDep: uint32(read())})
		case 13:
			_ = frames.WriteRawFrame(http2.FrameType(read()), http2.Flags(read()), stream(), make([]byte, read()%20))
		}
	}
	return sent.Bytes()
}

// Whatever is in a header block, the server answers the request or ends the stream or the
// connection.
func FuzzHeaderBlock(f *testing.F) {
	at := &attacker{}
	f.Add(at.encodeLiteral(post("/v2/echo", "content-length", "4")...), byte(0))
	f.Add(at.encodeLiteral(post("/", "cookie", "a=b", "host", "kv.test", "expect", "100-continue")...), byte(1))
	f.Add([]byte("\x83\x86\x84\x41\x8a\x08\x9d\x5c\x0b\x81\x70\xdc\x78\x0f\x03"), byte(7))
	f.Add([]byte("\x3f\xe1\x1f\x20\x40\x01a\x01b\xbe\xbe\xff\xff\xff\xff\x0f"), byte(0))
	f.Add(bytes.Repeat([]byte{0x84}, 300), byte(200))
	address := startFuzzed(f)
	f.Fuzz(func(t *testing.T, block []byte, cut byte) {
		if len(block) > 10_000 {
			return
		}
		var sent bytes.Buffer
		sent.WriteString(opening)
		frames := http2.NewFramer(&sent, nil)
		first := min(len(block), int(cut))
		_ = frames.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block[:first], EndHeaders: first == len(block)})
		if first < len(block) {
			_ = frames.WriteContinuation(1, true, block[first:])
		}
		_ = frames.WriteData(1, true, []byte("1234"))
		// The table is what the block has made it; one more request must not mind.
		_ = frames.WriteHeaders(http2.HeadersFrameParam{
			StreamID: 3, BlockFragment: at.encodeLiteral(post("/v2/echo")...), EndHeaders: true, EndStream: true,
		})
		converse(t, address, sent.Bytes())
	})
}
