package transport

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// responseWriter is what net/http's handler replies by. A short reply leaves whole, with
// its length; a long one goes on as fast as the client takes it.
type responseWriter struct {
	conn   *conn
	call   *httpCall
	header http.Header
	head   bool // the request is a HEAD

	status   int         // 0 until WriteHeader
	fixed    http.Header // what header was then
	headSent bool
	pending  []byte
}

// maxPendingBytes is how much of a reply is kept back for others to leave with it.
const maxPendingBytes = 32 << 10

// Header implements http.ResponseWriter.
func (w *responseWriter) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *responseWriter) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("invalid status %d", status)) // as net/http does
	}
	if w.status == 0 && status >= 200 {
		w.status, w.fixed = status, w.header.Clone()
	}
}

// Write implements http.ResponseWriter.
func (w *responseWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.hasBody() {
		if w.head {
			return len(p), nil
		}
		return 0, http.ErrBodyNotAllowed
	}
	written := 0
	for piece := range slices.Chunk(p, maxPendingBytes) {
		w.pending = append(w.pending, piece...)
		if len(w.pending) >= maxPendingBytes {
			if err := w.FlushError(); err != nil {
				return written, err
			}
		}
		written += len(piece)
	}
	return written, nil
}

func (w *responseWriter) hasBody() bool {
	return !w.head && w.status != http.StatusNoContent && w.status != http.StatusNotModified
}

// FlushError sends what was written, and waits until the client has room for more. It is
// for http.ResponseController.
func (w *responseWriter) FlushError() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	c, s := w.conn, w.call.stream
	c.mu.Lock()
	defer c.unlock()
	w.send(false)
	c.flush()
	for !s.closed && len(s.rest) > 0 {
		w.call.moved.Wait()
	}
	if s.closed {
		return errStreamClosed
	}
	return nil
}

var errStreamClosed = errors.New("the stream is closed")

// Flush implements http.Flusher.
func (w *responseWriter) Flush() { _ = w.FlushError() } // the next Write tells

// SetReadDeadline is for http.ResponseController.
func (w *responseWriter) SetReadDeadline(at time.Time) error {
	w.conn.setReadDeadline(w.call, at)
	return nil
}

// finish ends the reply.
func (w *responseWriter) finish() {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	w.conn.mu.Lock()
	defer w.conn.unlock()
	w.send(true)
}

// send sends what there is; last tells that it is all. The caller holds the mu of the
// connection.
func (w *responseWriter) send(last bool) {
	c, s := w.conn, w.call.stream
	if s.closed {
		return
	}
	if !w.headSent {
		w.headSent = true
		end := last && len(w.pending) == 0
		c.appendHead(s.id, end, w.headFor(last).encoded(), *c.server.date.Load())
		c.answered(s)
		if end {
			c.localEnded(s)
			return
		}
	}
	s.last = last
	body := w.pending
	w.pending = nil
	switch {
	case len(body) > 0:
		c.sendLater(s, body)
	case last:
		c.out.ready.push(s)
	}
	c.fill()
}

// headFor gives the head of the reply. whole tells that the whole body is known.
func (w *responseWriter) headFor(whole bool) *Head {
	head := &Head{Status: w.status}
	for name, values := range w.fixed {
		lower := strings.ToLower(name)
		if !isFieldName(lower) || slices.Contains(fieldsOfConnection, lower) || lower == "date" {
			continue
		}
		for _, value := range values {
			if httpguts.ValidHeaderFieldValue(value) {
				head.Fields = append(head.Fields, Field{lower, value})
			}
		}
	}
	if whole && w.hasBody() && w.fixed.Get("Content-Length") == "" {
		head.Fields = append(head.Fields, Field{"content-length", strconv.Itoa(len(w.pending))})
	}
	if len(w.pending) > 0 && w.fixed.Get("Content-Type") == "" {
		head.Fields = append(head.Fields, Field{"content-type", http.DetectContentType(w.pending)})
	}
	return head
}
