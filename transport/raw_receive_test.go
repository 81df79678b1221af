package transport_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// take keeps what a frame says, and answers it unless the client is silent.
func (c *client) take(frame http2.Frame) error {
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		return c.takeSettings(f)
	case *http2.PingFrame:
		if f.IsAck() {
			c.pongs = append(c.pongs, f.Data)
			return nil
		}
		c.pings++
		c.lastPing = f.Data
		if !c.silent {
			return c.WritePing(true, f.Data)
		}
	case *http2.GoAwayFrame:
		c.goAways = append(c.goAways, goAway{last: f.LastStreamID, code: f.ErrCode})
	case *http2.WindowUpdateFrame:
		c.windows.add(f.StreamID, f.Increment)
	case *http2.RSTStreamFrame:
		c.at(f.StreamID).reset = &f.ErrCode
	case *http2.HeadersFrame:
		return c.takeHeaders(f)
	case *http2.DataFrame:
		return c.takeData(f)
	default:
		return fmt.Errorf("%w: %v", errProtocol, f)
	}
	return nil
}

func (c *client) takeSettings(f *http2.SettingsFrame) error {
	if f.IsAck() {
		c.settingsAcks++
		if c.settingsAcks <= len(c.sizes) {
			c.granted.setInitial(c.sizes[c.settingsAcks-1])
		}
		return nil
	}
	for i := range f.NumSettings() {
		setting := f.Setting(i)
		c.settings[setting.ID] = setting.Val
		if setting.ID == http2.SettingInitialWindowSize {
			c.windows.setInitial(setting.Val)
		}
	}
	if c.silent {
		return nil
	}
	return c.WriteSettingsAck()
}

func (c *client) takeHeaders(f *http2.HeadersFrame) error {
	block := append([]byte(nil), f.HeaderBlockFragment()...)
	stream, ended, whole := f.StreamID, f.StreamEnded(), f.HeadersEnded()
	for !whole {
		next, err := c.ReadFrame()
		if err != nil {
			return err
		}
		continuation, ok := next.(*http2.ContinuationFrame)
		if !ok {
			return fmt.Errorf("%w: %v within a header", errProtocol, next)
		}
		block = append(block, continuation.HeaderBlockFragment()...)
		whole = continuation.HeadersEnded()
	}
	fields, err := c.decoder.DecodeFull(block)
	if err != nil {
		return err
	}
	return c.at(stream).takeFields(fields, ended)
}

func (r *reply) takeFields(fields []hpack.HeaderField, ended bool) error {
	switch {
	case r.ended || r.reset != nil:
		return fmt.Errorf("%w: a header after the end of a stream", errProtocol)
	case r.status != "":
		r.trailers = fields
	case len(fields) == 0 || fields[0].Name != ":status":
		return fmt.Errorf("%w: a header without a status", errProtocol)
	case strings.HasPrefix(fields[0].Value, "1"):
		r.interim = append(r.interim, fields[0].Value)
	default:
		r.status, r.fields = fields[0].Value, fields[1:]
	}
	r.ended = ended
	return nil
}

func (c *client) takeData(f *http2.DataFrame) error {
	r := c.at(f.StreamID)
	if r.ended || r.reset != nil || r.status == "" {
		return fmt.Errorf("%w: %v, after: %v", errProtocol, f, r)
	}
	c.granted.use(f.StreamID, int(f.Length))
	if f.Length > 0 && c.granted.of(f.StreamID) < 0 {
		return fmt.Errorf("%w: %v is more than the window", errProtocol, f)
	}
	r.body = append(r.body, f.Data()...)
	r.pieces = append(r.pieces, len(f.Data()))
	r.ended = f.StreamEnded()
	if c.silent || f.Length == 0 {
		return nil
	}
	if err := c.grant(0, f.Length); err != nil || r.ended {
		return err
	}
	return c.grant(f.StreamID, f.Length)
}

// wantReply waits for a reply on a stream.
func (c *client) wantReply(stream uint32, status, body string) *reply {
	c.t.Helper()
	r := c.reply(stream)
	isCut := r.reset != nil && (!r.ended || *r.reset != http2.ErrCodeNo)
	if isCut || r.status != status || string(r.body) != body {
		c.t.Fatalf("stream %d: %v: %.100q; want status %s: %.100q", stream, r, r.body, status, body)
	}
	return r
}

// wantReset waits for a stream to be reset, and makes sure that the connection lives on.
func (c *client) wantReset(stream uint32, code http2.ErrCode) {
	c.t.Helper()
	r := c.at(stream)
	c.until(fmt.Sprintf("a reset of stream %d with %v", stream, code), func() bool { return r.reset != nil })
	if *r.reset != code {
		c.t.Fatalf("stream %d: %v, want %v", stream, r, code)
	}
	c.wantAlive()
}

// wantMalformed waits for a request to be turned down as malformed: with a reset, or by
// net/http with a reply.
func (c *client) wantMalformed(stream uint32) {
	c.t.Helper()
	r := c.reply(stream)
	isRefused := r.reset != nil && *r.reset == http2.ErrCodeProtocol || strings.HasPrefix(r.status, "4")
	if !isRefused {
		c.t.Fatalf("stream %d: %v: %.100q; want a PROTOCOL_ERROR or a 4xx", stream, r, r.body)
	}
	c.wantAlive()
}

// wantAlive makes sure that a call is answered, which all frames sent before it then
// have been, too.
func (c *client) wantAlive() {
	c.t.Helper()
	c.wantReply(c.post("/v2/echo", "alive"), "200", "alive")
}

// wantGoAway waits for the server to end the connection for an error.
func (c *client) wantGoAway(code http2.ErrCode) {
	c.t.Helper()
	c.until(fmt.Sprintf("a GOAWAY with %v", code), func() bool { return len(c.goAways) > 0 })
	if got := c.goAways[0].code; got != code {
		c.t.Fatalf("GOAWAY with %v, want %v", got, code)
	}
	c.wantClosed()
}

// wantClosed reads until the server has closed the connection, and closes it, too: the
// server waits for that for a moment.
func (c *client) wantClosed() {
	c.t.Helper()
	for {
		if err := c.readOne(); isClosed(err) {
			_ = c.conn.Close() // the error is the one above
			return
		} else if err != nil {
			c.t.Fatalf("wait for the end of the connection: %v", err)
		}
	}
}

// isClosed tells whether an error says that the server has closed the connection.
func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
