package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"sync"

	"golang.org/x/net/http2"
)

// httpSide is what net/http's handler is told of a connection.
type httpSide struct {
	remoteAddr string
	localAddr  net.Addr
	tls        *tls.ConnectionState // nil without TLS
}

func newHTTPSide(c *conn) *httpSide {
	side := &httpSide{remoteAddr: c.socket.RemoteAddr().String(), localAddr: c.socket.LocalAddr()}
	if secure, ok := c.socket.Conn.(*tls.Conn); ok {
		state := secure.ConnectionState()
		side.tls = &state
	}
	return side
}

// httpCall is a request that net/http's handler serves, on a goroutine of its own. Its
// fields are guarded by the mu of the connection.
type httpCall struct {
	stream  *stream
	moved   sync.Cond // the body or the reply has moved, or the stream is closed
	aborted bool
	expects bool // the client waits for a sign before it sends the body

	deadlinePassed bool // of reading the body
	deadline       readDeadline
}

// abort wakes the handler, for which nobody waits any more. The caller holds mu.
func (h *httpCall) abort() {
	h.aborted = true
	h.deadline.stop()
	h.moved.Broadcast()
}

// receiveHTTP begins a request that is none of the data path.
func (c *conn) receiveHTTP(id uint32) error {
	h := &c.header
	ctx, cancel := context.WithCancel(context.WithValue(c.ctx, http.LocalAddrContextKey, c.https.localAddr))
	httpRequest, err := c.httpRequest(ctx, h)
	if err != nil {
		cancel()
		return c.resetUnknown(id, http2.ErrCodeProtocol)
	}
	c.mu.Lock()
	if c.httpCalls >= maxHTTPCalls {
		c.unlock()
		cancel()
		return c.resetUnknown(id, http2.ErrCodeRefusedStream)
	}
	defer c.unlock()
	call := &httpCall{expects: strings.EqualFold(h.Get("expect"), "100-continue")}
	call.moved.L = &c.mu
	s := c.begin(id, &request{http: call, declaredBytes: h.contentLength, windowBytes: streamWindowBytes, cancel: cancel})
	call.stream = s
	s.remoteEnded = h.ended
	c.beginUpload(s)
	if !h.ended {
		httpRequest.Body = &requestBody{conn: c, call: call}
	}
	c.httpCalls++
	c.server.running.Go(func() {
		defer cancel()
		c.serveHTTP(call, httpRequest)
	})
	return nil
}

// httpRequest makes the request that a header says.
func (c *conn) httpRequest(ctx context.Context, h *headerBlock) (*http.Request, error) {
	header := make(http.Header, len(h.fields))
	var cookies []string
	for _, field := range h.fields {
		if field.Name == "cookie" {
			cookies = append(cookies, field.Value)
			continue
		}
		header.Add(field.Name, field.Value)
	}
	if len(cookies) > 0 {
		header.Set("Cookie", strings.Join(cookies, "; "))
	}
	header.Del("Host") // net/http has it apart
	host := h.authority
	if host == "" {
		host = h.Get("host")
	}
	uri, target := h.path, &url.URL{Host: host}
	if h.method == http.MethodConnect {
		uri = host
	} else {
		var err error
		if target, err = url.ParseRequestURI(h.path); err != nil {
			return nil, err
		}
	}
	length := h.contentLength
	if h.ended {
		length = 0
	}
	r := &http.Request{
		Method: h.method, URL: target, RequestURI: uri,
		Proto: "HTTP/2.0", ProtoMajor: 2,
		Header: header, Host: host, Body: http.NoBody, ContentLength: length,
		RemoteAddr: c.https.remoteAddr, TLS: c.https.tls,
	}
	return r.WithContext(ctx), nil
}

// serveHTTP has the handler answer a request.
func (c *conn) serveHTTP(call *httpCall, r *http.Request) {
	w := &responseWriter{conn: c, call: call, head: r.Method == http.MethodHead, header: make(http.Header)}
	finished := false
	defer func() {
		if value := recover(); value != nil && !isAbort(value) {
			c.server.logger.Error("panic while serving", "panic", value, "stack", string(debug.Stack()))
		}
		c.mu.Lock()
		c.httpCalls--
		if !finished {
			c.reset(call.stream, http2.ErrCodeInternal)
		}
		c.flush()
		c.unlock()
	}()
	handler := c.server.http.Handler
	if handler == nil {
		handler = http.DefaultServeMux
	}
	handler.ServeHTTP(w, r)
	w.finish()
	finished = true
}

// isAbort tells whether a handler meant to panic.
func isAbort(value any) bool {
	err, ok := value.(error)
	return ok && errors.Is(err, http.ErrAbortHandler)
}
