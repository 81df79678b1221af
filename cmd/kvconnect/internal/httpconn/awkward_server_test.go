package httpconn_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/httpconn"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// awkward is one connection of a server of HTTP/2 that does what a test tells it.
type awkward struct {
	*http2.Framer
	t       *testing.T
	conn    net.Conn
	headers bytes.Buffer
	encoder *hpack.Encoder
}

// startAwkward starts a server that takes one connection, sends its settings and
// leaves the rest to serve.
func startAwkward(t *testing.T, settings []http2.Setting, serve func(*awkward)) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() {
		_ = listener.Close()
		<-ended
	})
	go func() {
		defer close(ended)
		conn, err := listener.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(patience))
		if _, err := io.CopyN(io.Discard, conn, int64(len(http2.ClientPreface))); err != nil {
			t.Error(err)
			return
		}
		s := &awkward{Framer: http2.NewFramer(conn, conn), t: t, conn: conn}
		s.encoder = hpack.NewEncoder(&s.headers)
		s.check(s.WriteSettings(settings...))
		serve(s)
		_, _ = io.Copy(io.Discard, conn) // until the client leaves
	}()
	return "http://" + listener.Addr().String()
}

func (s *awkward) check(err error) {
	if err != nil {
		s.t.Errorf("the server: %v", err)
	}
}

// next reads frames up to the first of the kind of the example.
func next[F http2.Frame](s *awkward) (frame F) {
	for {
		f, err := s.ReadFrame()
		if err != nil {
			s.t.Errorf("the server: wait for a %T: %v", frame, err)
			runtime.Goexit()
		}
		if frame, ok := f.(F); ok {
			return frame
		}
	}
}

// request waits for the headers of a request and gives its stream.
func (s *awkward) request() uint32 { return next[*http2.HeadersFrame](s).StreamID }

func (s *awkward) block(fields ...string) []byte {
	s.headers.Reset()
	for i := 0; i < len(fields); i += 2 {
		s.check(s.encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}))
	}
	return bytes.Clone(s.headers.Bytes())
}

func (s *awkward) reply(stream uint32, text string) {
	s.check(s.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: s.block(":status", "200"), EndHeaders: true}))
	s.check(s.WriteData(stream, true, []byte(text)))
}

func dialAwkward(t *testing.T, settings []http2.Setting, serve func(*awkward)) httpconn.Conn {
	t.Helper()
	return dial(t, parse(t, startAwkward(t, settings, serve)), httpconn.HTTP2, patience)
}

func TestReplyInPieces(t *testing.T) {
	t.Parallel()
	conn := dialAwkward(t, nil, func(s *awkward) {
		stream := s.request()
		s.check(s.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: s.block(":status", "103"), EndHeaders: true}))
		block := s.block(":status", "200", "content-type", "text/x", "x-long", strings.Repeat("y", 200))
		s.check(s.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block[:1]}))
		s.check(s.WriteContinuation(stream, false, block[1:2]))
		s.check(s.WriteContinuation(stream, true, block[2:]))
		s.check(s.WriteDataPadded(stream, false, []byte("in "), make([]byte, 100)))
		s.check(s.WriteRawFrame(0xfa, 0, stream, []byte("of no known type")))
		s.check(s.WriteData(stream, false, nil))
		s.check(s.WriteData(stream, false, []byte("pieces")))
		s.check(s.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: s.block("x-trailer", "z"), EndHeaders: true, EndStream: true}))
	})
	call := httpconn.Call{Route: route("/")}
	if err := conn.Do(t.Context(), &call); err != nil || call.Status != http.StatusOK || call.ContentType != "text/x" || string(call.Reply) != "in pieces" {
		t.Errorf("%v, status %d, content type %s: %q", err, call.Status, call.ContentType, call.Reply)
	}
}

func TestPingIsAnswered(t *testing.T) {
	t.Parallel()
	conn := dialAwkward(t, nil, func(s *awkward) {
		stream := s.request()
		s.check(s.WritePing(false, [8]byte{1, 2, 3}))
		if ping := next[*http2.PingFrame](s); !ping.IsAck() || ping.Data != [8]byte{1, 2, 3} {
			s.t.Errorf("the answer to the ping is %v", ping)
		}
		s.reply(stream, "")
	})
	if err := conn.Do(t.Context(), &httpconn.Call{Route: route("/")}); err != nil {
		t.Error(err)
	}
}

// The calls that a server that goes away has begun are ended, the others fail at once.
func TestGoAway(t *testing.T) {
	t.Parallel()
	conn := dialAwkward(t, nil, func(s *awkward) {
		first := s.request()
		s.request()
		s.check(s.WriteGoAway(first, http2.ErrCodeEnhanceYourCalm, []byte("too many calls")))
		s.check(s.WritePing(false, [8]byte{}))
		next[*http2.PingFrame](s) // it was heard
		s.reply(first, "done")
	})
	errs := make([]chan error, 2)
	calls := make([]httpconn.Call, 2)
	for i := range calls {
		calls[i].Route = route("/")
		errs[i] = make(chan error, 1)
		go func() { errs[i] <- conn.Do(t.Context(), &calls[i]) }()
	}
	var failed, ended int
	for i := range calls {
		switch err := <-errs[i]; {
		case err == nil && string(calls[i].Reply) == "done":
			ended++
		case errors.Is(err, httpconn.ErrGoAway) && strings.Contains(err.Error(), `ENHANCE_YOUR_CALM "too many calls"`):
			failed++
		default:
			t.Errorf("a call ended with %v, %q", err, calls[i].Reply)
		}
	}
	if failed != 1 || ended != 1 {
		t.Errorf("%d calls failed, %d ended", failed, ended)
	}
	if err := conn.Do(t.Context(), &httpconn.Call{Route: route("/")}); !errors.Is(err, httpconn.ErrGoAway) || !conn.Broken() {
		t.Errorf("a later call ended with %v, broken %v", err, conn.Broken())
	}
}

func TestResetStream(t *testing.T) {
	t.Parallel()
	conn := dialAwkward(t, nil, func(s *awkward) {
		s.check(s.WriteRSTStream(s.request(), http2.ErrCodeRefusedStream))
		s.reply(s.request(), "later")
	})
	call := httpconn.Call{Route: route("/")}
	err := conn.Do(t.Context(), &call)
	var reset *httpconn.ResetError
	if !errors.As(err, &reset) || reset.Code != http2.ErrCodeRefusedStream || conn.Broken() {
		t.Errorf("%v, broken %v", err, conn.Broken())
	}
	if err := conn.Do(t.Context(), &call); err != nil || string(call.Reply) != "later" {
		t.Errorf("the next call: %v, %q", err, call.Reply)
	}
}

// A call that is given up is reset, and what still comes for it hurts nobody.
func TestCallGivenUp(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{})
	conn := dialAwkward(t, nil, func(s *awkward) {
		stream := s.request()
		close(arrived)
		if f := next[*http2.RSTStreamFrame](s); f.StreamID != stream || f.ErrCode != http2.ErrCodeCancel {
			s.t.Errorf("the client sent %v", f)
		}
		s.reply(stream, "too late")
		s.reply(s.request(), "in time")
	})
	ctx, cancel := context.WithCancel(t.Context())
	call := httpconn.Call{Route: route("/")}
	given := make(chan error, 1)
	go func() { given <- conn.Do(ctx, &call) }()
	<-arrived
	cancel()
	if err := <-given; !errors.Is(err, context.Canceled) {
		t.Errorf("the call ended with %v", err)
	}
	if err := conn.Do(t.Context(), &call); err != nil || string(call.Reply) != "in time" {
		t.Errorf("the next call: %v, %q", err, call.Reply)
	}
}

// The body goes out as the windows allow, byte by byte if need be, and the window of a
// stream may be taken back below zero.
func TestWindows(t *testing.T) {
	t.Parallel()
	body := []byte("0123456789abcdef")
	conn := dialAwkward(t, []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 4}}, func(s *awkward) {
		stream := s.request()
		var got []byte
		data := next[*http2.DataFrame](s)
		got = append(got, data.Data()...)
		if string(got) != "0123" {
			s.t.Errorf("before any window the client sent %q", got)
		}
		s.check(s.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1})) // 3 less than were sent
		next[*http2.SettingsFrame](s)
		s.check(s.WriteWindowUpdate(stream, 3))
		for !data.StreamEnded() {
			s.check(s.WriteWindowUpdate(stream, 1))
			if data = next[*http2.DataFrame](s); len(data.Data()) != 1 {
				s.t.Errorf("for a window of one byte the client sent %v", data)
				return
			}
			got = append(got, data.Data()...)
		}
		s.reply(stream, string(got))
	})
	call := httpconn.Call{Route: route("/"), Body: body}
	if err := conn.Do(t.Context(), &call); err != nil || !bytes.Equal(call.Reply, body) {
		t.Errorf("%v: the server got %q", err, call.Reply)
	}
}

// Padding takes room in the windows too, and is given back.
func TestWindowsAreGivenBack(t *testing.T) {
	t.Parallel()
	const window = 4 << 20 // of a stream, as the client announces it
	conn := dialAwkward(t, nil, func(s *awkward) {
		stream := s.request()
		s.check(s.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: s.block(":status", "200"), EndHeaders: true}))
		var frames bytes.Buffer
		writer := http2.NewFramer(&frames, nil)
		padding := make([]byte, 255)
		const frameBytes = 1 + 1 + 255 // with the length of the padding
		for sent := 0; sent < window/2; sent += frameBytes {
			s.check(writer.WriteDataPadded(stream, false, []byte("x"), padding))
		}
		_, err := s.conn.Write(frames.Bytes())
		s.check(err)
		if f := next[*http2.WindowUpdateFrame](s); f.StreamID != stream || f.Increment < window/2 {
			s.t.Errorf("the client gives back %v", f)
		}
		s.check(s.WriteData(stream, true, nil))
	})
	if err := conn.Do(t.Context(), &httpconn.Call{Route: route("/")}); err != nil {
		t.Error(err)
	}
}

// What is left of a body whose call was answered before is not sent any more.
func TestReplyBeforeTheBody(t *testing.T) {
	t.Parallel()
	conn := dialAwkward(t, []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 4}}, func(s *awkward) {
		stream := s.request()
		s.reply(stream, "enough")
		if f := next[*http2.RSTStreamFrame](s); f.StreamID != stream || f.ErrCode != http2.ErrCodeCancel {
			s.t.Errorf("the client sent %v", f)
		}
		s.check(s.WriteWindowUpdate(stream, 100))
		s.reply(s.request(), "next")
	})
	call := httpconn.Call{Route: route("/"), Body: make([]byte, 100)}
	if err := conn.Do(t.Context(), &call); err != nil || string(call.Reply) != "enough" {
		t.Errorf("%v: %q", err, call.Reply)
	}
	call.Body = nil
	if err := conn.Do(t.Context(), &call); err != nil || string(call.Reply) != "next" {
		t.Errorf("the next call: %v: %q", err, call.Reply)
	}
}

// All calls that wait go on when the server takes more.
func TestMoreStreamsAllowed(t *testing.T) {
	t.Parallel()
	const calls = 4
	waiting := make(chan struct{})
	conn := dialAwkward(t, []http2.Setting{{ID: http2.SettingMaxConcurrentStreams, Val: 0}}, func(s *awkward) {
		<-waiting
		s.check(s.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: calls}))
		var streams []uint32
		for range calls {
			streams = append(streams, s.request())
		}
		for _, stream := range streams {
			s.reply(stream, "")
		}
	})
	errs := make(chan error, calls)
	for range calls {
		go func() { errs <- conn.Do(t.Context(), &httpconn.Call{Route: route("/")}) }()
	}
	close(waiting)
	for range calls {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// A server whose settings allow no call at all keeps it waiting, but not for ever.
func TestNoStreamAllowed(t *testing.T) {
	t.Parallel()
	conn := dialAwkward(t, []http2.Setting{{ID: http2.SettingMaxConcurrentStreams, Val: 0}}, func(*awkward) {})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := conn.Do(ctx, &httpconn.Call{Route: route("/")}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the call ended with %v", err)
	}
}

func TestBrokenServers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		serve func(*awkward)
		want  error
	}{
		"closes":            {func(s *awkward) { s.request(); _ = s.conn.Close() }, httpconn.ErrLost},
		"closes in a frame": {func(s *awkward) { s.request(); _, _ = s.conn.Write([]byte{0, 0, 9, 0}); _ = s.conn.Close() }, httpconn.ErrLost},
		"goes away in order": {func(s *awkward) {
			s.request()
			s.check(s.WriteGoAway(0, http2.ErrCodeNo, nil))
		}, httpconn.ErrGoAway},
		"headers that are none": {func(s *awkward) {
			s.check(s.WriteHeaders(http2.HeadersFrameParam{StreamID: s.request(), BlockFragment: []byte{0xff, 0xff, 0xff, 0xff}, EndHeaders: true}))
		}, httpconn.ErrProtocol},
		"no status": {func(s *awkward) {
			s.check(s.WriteHeaders(http2.HeadersFrameParam{StreamID: s.request(), BlockFragment: s.block("x", "y"), EndHeaders: true, EndStream: true}))
		}, httpconn.ErrProtocol},
		"data before headers": {func(s *awkward) { s.check(s.WriteData(s.request(), true, []byte("x"))) }, httpconn.ErrProtocol},
		"a push": {func(s *awkward) {
			s.check(s.WritePushPromise(http2.PushPromiseParam{StreamID: s.request(), PromiseID: 2, BlockFragment: s.block(":method", "GET"), EndHeaders: true}))
		}, httpconn.ErrProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := dialAwkward(t, nil, c.serve)
			if err := conn.Do(t.Context(), &httpconn.Call{Route: route("/")}); !errors.Is(err, c.want) {
				t.Errorf("the call ended with %v, want %v", err, c.want)
			}
		})
	}
}

// Who takes the connection and says nothing does not keep Dial for ever.
func TestServerWithoutSettings(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	u := parse(t, "http://"+listener.Addr().String())
	if _, err := httpconn.Dial(t.Context(), u, httpconn.HTTP2, 50*time.Millisecond); !errors.Is(err, httpconn.ErrSilent) {
		t.Errorf("Dial ended with %v", err)
	}
}
