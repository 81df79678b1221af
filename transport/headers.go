package transport

import (
	"slices"
	"strings"

	"golang.org/x/net/http2"
)

func (c *conn) receiveHeaders(frame *http2.HeadersFrame) error {
	c.header.begin(frame.StreamID, frame.StreamEnded())
	if frame.HasPriority() && frame.Priority.StreamDep == frame.StreamID {
		// The block must be read all the same, or the ones after it cannot be.
		c.header.malformed = true
	}
	return c.readHeader(frame.HeaderBlockFragment(), frame.HeadersEnded())
}

func (c *conn) receiveContinuation(frame *http2.ContinuationFrame) error {
	if len(frame.HeaderBlockFragment()) == 0 {
		if err := c.idleness.note(1); err != nil {
			return err
		}
	}
	return c.readHeader(frame.HeaderBlockFragment(), frame.HeadersEnded())
}

func (c *conn) readHeader(fragment []byte, last bool) error {
	if err := c.header.read(fragment, last); err != nil || !last {
		return err
	}
	id := c.header.id
	c.mu.Lock()
	if s := c.streams[id]; s != nil {
		return c.receiveTrailer(s)
	}
	begun, err := c.beginStream(id)
	c.unlock()
	if err != nil || !begun {
		return err
	}
	if err := c.header.check(); err != nil {
		return c.resetUnknown(id, http2.ErrCodeProtocol)
	}
	return c.receiveRequest(id)
}

// beginStream decides whether a client may begin a stream. One that is not begun and no
// error is ignored. The caller holds mu.
func (c *conn) beginStream(id uint32) (begun bool, err error) {
	switch {
	case id%2 == 0:
		return false, http2.ConnectionError(http2.ErrCodeProtocol)
	case id <= c.lastID && c.header.method == "":
		// A trailer that was on its way when the server ended the stream, perhaps so long
		// ago that refused has forgotten it.
		return false, http2.StreamError{StreamID: id, Code: http2.ErrCodeStreamClosed}
	case id <= c.lastID:
		if c.refused.has(id) {
			return false, nil
		}
		return false, http2.ConnectionError(http2.ErrCodeStreamClosed)
	case c.times.lastGoAwaySent:
		return false, nil // as it was told
	}
	c.lastID = id
	if len(c.streams) >= c.server.limits.maxConcurrentStreams || c.foreign >= maxForeignStreams {
		c.appendReset(id, http2.ErrCodeRefusedStream)
		c.refused.add(id)
		return false, c.idleness.note(1)
	}
	c.admitting = true
	return true, nil
}

// receiveTrailer takes the fields after a body, which say nothing here but that it has
// ended. The caller holds mu, which is given back.
func (c *conn) receiveTrailer(s *stream) error {
	h := &c.header
	var err error
	switch {
	case s.remoteEnded:
		err = http2.StreamError{StreamID: s.id, Code: http2.ErrCodeStreamClosed}
	case !h.ended || h.malformed || h.method != "" || h.scheme != "" || h.authority != "" || h.path != "":
		err = http2.StreamError{StreamID: s.id, Code: http2.ErrCodeProtocol}
	default:
		return c.bodyEnded(s)
	}
	c.unlock()
	return err
}

// receiveRequest begins the request whose header has been read.
func (c *conn) receiveRequest(id uint32) error {
	h := &c.header
	if h.tooLarge {
		return c.answerTooLarge(id)
	}
	path, _, _ := strings.Cut(h.path, "?")
	call, refusal, err := c.server.admit(Request{Method: h.method, Path: path, Header: h, RemoteAddr: c.https.remoteAddr})
	if err != nil {
		return c.resetUnknown(id, http2.ErrCodeInternal)
	}
	if call == nil && refusal == nil {
		return c.receiveHTTP(id)
	}
	r := &request{call: call, declaredBytes: h.contentLength, windowBytes: streamWindowBytes}
	if call != nil {
		r.maxBytes = call.MaxBodyBytes()
	}
	c.mu.Lock()
	s := c.begin(id, r)
	s.remoteEnded = h.ended
	if refusal != nil {
		c.beginUpload(s)
		c.reply(s, *refusal)
		c.unlock()
		return nil
	}
	if h.ended {
		c.unlock()
		return c.serveCall(s, call, nil)
	}
	c.beginUpload(s)
	if r.declaredBytes > r.maxBytes {
		c.unlock()
		c.refuse(s, r, ErrBodyTooLarge)
		return nil
	}
	c.expect(s, r)
	c.unlock()
	return nil
}

// beginUpload counts a stream whose body is not there. The caller holds mu.
func (c *conn) beginUpload(s *stream) {
	if s.remoteEnded {
		return
	}
	c.uploads++
	s.request.deadline = c.server.clock.Load() + c.server.limits.body.Nanoseconds()
}

// Heads of what the transport itself says.
var (
	headContinue = &Head{Status: 100}
	headTooLarge = &Head{Status: 431, Fields: []Field{{"Content-Type", "text/plain; charset=utf-8"}}}
)

// answerTooLarge refuses a request for the size of its header.
func (c *conn) answerTooLarge(id uint32) error {
	c.mu.Lock()
	defer c.unlock()
	s := c.begin(id, &request{declaredBytes: c.header.contentLength, windowBytes: streamWindowBytes})
	s.remoteEnded = c.header.ended
	c.beginUpload(s)
	c.reply(s, Reply{Head: headTooLarge, Body: []byte("the header of the request is too large")})
	return nil
}

// resetUnknown ends a stream that was not begun here.
func (c *conn) resetUnknown(id uint32, code http2.ErrCode) error {
	c.mu.Lock()
	defer c.unlock()
	c.admitting = false
	c.appendReset(id, code)
	c.refused.add(id)
	return c.idleness.note(1)
}

// recentIDs are the streams that the server ended last while their client may still have
// been sending. What comes of them is ignored.
type recentIDs struct {
	ids  [64]uint32
	next int
}

func (r *recentIDs) add(id uint32) {
	r.ids[r.next] = id
	r.next = (r.next + 1) % len(r.ids)
}

func (r *recentIDs) has(id uint32) bool { return slices.Contains(r.ids[:], id) }
