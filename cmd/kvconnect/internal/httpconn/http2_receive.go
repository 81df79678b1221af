package httpconn

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// headerBlock is the header block that is being read.
type headerBlock struct {
	status      int
	contentType string
	stream      uint32
	endStream   bool
}

// field gets every header field of the block.
func (h *headerBlock) field(f hpack.HeaderField) {
	switch f.Name {
	case ":status":
		h.status = 0
		for _, digit := range []byte(f.Value) {
			h.status = min(10*h.status+int(digit-'0'), math.MaxInt16)
		}
	case "content-type":
		h.contentType = f.Value
	}
}

// read hands out what arrives, until the connection fails. It closes settled when the
// settings of the server have come.
func (c *http2Conn) read(settled chan<- struct{}) {
	for waiting := true; ; {
		frame, err := c.nextFrame()
		if err == nil {
			err = c.take(frame)
		}
		if err != nil {
			c.fail(err)
			return
		}
		if waiting && c.settled {
			waiting = false
			close(settled)
		}
	}
}

// nextFrame reads a frame. A silence breaks the connection only while calls are under
// way, and counts from the beginning of the first of them.
func (c *http2Conn) nextFrame() (http2.Frame, error) {
	begun := time.Now()
	for c.reader.Buffered() == 0 {
		_ = c.conn.SetReadDeadline(begun.Add(c.patience)) // fails where Peek fails too
		_, err := c.reader.Peek(1)
		if err == nil {
			break
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, lost(err)
		}
		now := time.Now()
		c.mu.Lock()
		idle, busySince := len(c.streams) == 0, c.busySince
		c.mu.Unlock()
		switch {
		case idle:
			begun = now
		case now.Sub(busySince) < c.patience:
			begun = busySince
		default:
			return nil, ErrSilent
		}
	}
	frame, err := c.in.ReadFrame()
	if err != nil {
		return nil, lost(err)
	}
	if _, isSettings := frame.(*http2.SettingsFrame); !isSettings && !c.settled {
		return nil, fmt.Errorf("%w: it does not speak HTTP/2", ErrProtocol)
	}
	return frame, nil
}

// take does what a frame asks for. The whole of it happens under the mutex, so that
// nobody is told twice of the end of a call.
func (c *http2Conn) take(frame http2.Frame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		return c.takeSettings(f)
	case *http2.HeadersFrame:
		c.headers = headerBlock{stream: f.StreamID, endStream: f.StreamEnded()}
		return c.takeHeaders(f.HeaderBlockFragment(), f.HeadersEnded())
	case *http2.ContinuationFrame:
		return c.takeHeaders(f.HeaderBlockFragment(), f.HeadersEnded())
	case *http2.DataFrame:
		c.takeData(f)
	case *http2.WindowUpdateFrame:
		c.takeWindow(f)
	case *http2.PingFrame:
		if !f.IsAck() {
			_ = c.frames.WritePing(true, f.Data)
			c.wakeWriter()
		}
	case *http2.RSTStreamFrame:
		if call := c.streams[f.StreamID]; call != nil {
			c.end(call, &ResetError{Code: f.ErrCode})
		}
	case *http2.GoAwayFrame:
		return c.takeGoAway(f)
	case *http2.PushPromiseFrame:
		return fmt.Errorf("%w: a push, which was forbidden", ErrProtocol)
	}
	return nil
}

func (c *http2Conn) takeSettings(f *http2.SettingsFrame) error {
	if f.IsAck() {
		return nil
	}
	err := f.ForeachSetting(func(setting http2.Setting) error {
		if err := setting.Valid(); err != nil {
			return fmt.Errorf("%w: %w", ErrProtocol, err)
		}
		switch setting.ID {
		case http2.SettingMaxConcurrentStreams:
			c.maxStreams = setting.Val
			c.tellRoom()
		case http2.SettingMaxFrameSize:
			c.frameBytes = int(setting.Val)
		case http2.SettingHeaderTableSize:
			c.routes.setTableBytes(setting.Val)
		case http2.SettingInitialWindowSize:
			more := int64(setting.Val) - c.firstWindow
			c.firstWindow += more
			for _, call := range c.streams {
				call.stream.window += more // may get below 0
			}
		default: // the rest is not for clients such as this one
		}
		return nil
	})
	c.settled = true
	_ = c.frames.WriteSettingsAck()
	c.sendBlocked()
	return err
}

// takeHeaders decodes a part of a header block. Each must be decoded, even for calls
// that are gone, because later ones build on it.
func (c *http2Conn) takeHeaders(fragment []byte, whole bool) error {
	if _, err := c.decoder.Write(fragment); err != nil {
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	if !whole {
		return nil
	}
	if err := c.decoder.Close(); err != nil {
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	call := c.streams[c.headers.stream]
	if call == nil {
		return nil
	}
	const informational = 200 // are the statuses below it
	switch {
	case call.stream.headersRead: // trailers, which say nothing of interest
	case c.headers.status < http.StatusContinue:
		c.reset(call, http2.ErrCodeProtocol)
		c.end(call, fmt.Errorf("%w: a reply without a status", ErrProtocol))
		return nil
	case c.headers.status < informational:
		return nil
	default:
		call.stream.headersRead = true
		call.Status, call.ContentType = c.headers.status, c.headers.contentType
	}
	if c.headers.endStream {
		c.replied(call)
	}
	return nil
}

// takeData gives the call its data, and the server its windows back, half a window at
// a time.
func (c *http2Conn) takeData(f *http2.DataFrame) {
	size := f.Header().Length // padding counts too
	if c.unreported += size; c.unreported >= connectionWindow/2 {
		_ = c.frames.WriteWindowUpdate(0, c.unreported)
		c.unreported = 0
		c.wakeWriter()
	}
	call := c.streams[f.StreamID]
	if call == nil {
		return
	}
	if err := call.receive(f.Data()); err != nil {
		c.reset(call, http2.ErrCodeCancel)
		c.end(call, err)
		return
	}
	if f.StreamEnded() {
		c.replied(call)
		return
	}
	if call.stream.unreported += size; call.stream.unreported >= streamWindow/2 {
		_ = c.frames.WriteWindowUpdate(f.StreamID, call.stream.unreported)
		call.stream.unreported = 0
		c.wakeWriter()
	}
}

// replied ends a call whose reply is whole. What is left of its body nobody wants.
func (c *http2Conn) replied(call *Call) {
	if len(call.stream.unsent) > 0 {
		c.reset(call, http2.ErrCodeCancel)
	}
	if !call.stream.headersRead {
		c.end(call, fmt.Errorf("%w: a reply without headers", ErrProtocol))
		return
	}
	c.end(call, nil)
}

func (c *http2Conn) takeWindow(f *http2.WindowUpdateFrame) {
	if f.StreamID == 0 {
		c.window += int64(f.Increment)
	} else if call := c.streams[f.StreamID]; call != nil {
		call.stream.window += int64(f.Increment)
	}
	if len(c.blocked) > 0 {
		c.sendBlocked()
	}
}

// takeGoAway ends the calls that the server has not begun. Those before them go on.
func (c *http2Conn) takeGoAway(f *http2.GoAwayFrame) error {
	err := ErrGoAway
	if f.ErrCode != http2.ErrCodeNo {
		err = fmt.Errorf("%w: %v %q", ErrGoAway, f.ErrCode, f.DebugData())
	}
	if c.err == nil {
		c.err = err
	}
	for id, call := range c.streams {
		if id > f.LastStreamID {
			c.end(call, err)
		}
	}
	if len(c.streams) == 0 {
		return err
	}
	// Who waits for a stream waits in vain.
	c.tellRoom()
	return nil
}
