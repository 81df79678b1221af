package httpconn

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const readBufferBytes = 64 << 10

// http1 is a connection that carries one call at a time; others wait. The caller's
// goroutine does all the work.
type http1 struct {
	conn     net.Conn
	host     string
	patience time.Duration
	broken   atomic.Bool
	started  sync.WaitGroup // the goroutines of Start

	mu     sync.Mutex // held during a call; guards what follows
	reader *bufio.Reader
	heads  map[*Route][]byte // what requests begin with, up to the value of Content-Length
	out    []byte
	chunk  []byte
}

func newHTTP1(conn net.Conn, origin *url.URL, patience time.Duration) *http1 {
	return &http1{
		conn: conn, host: origin.Host, patience: patience,
		reader: bufio.NewReaderSize(conn, readBufferBytes), heads: make(map[*Route][]byte),
		chunk: make([]byte, 16<<10),
	}
}

// Broken implements Conn.
func (c *http1) Broken() bool { return c.broken.Load() }

// Idle implements Conn.
func (c *http1) Idle() bool {
	if !c.mu.TryLock() {
		return false
	}
	c.mu.Unlock()
	return true
}

// Close implements Conn.
func (c *http1) Close() {
	c.broken.Store(true)
	_ = c.conn.Close() // the call under way, if any, fails
	// When the mutex is free it has ended, and its memory is not needed any more.
	c.mu.Lock()
	c.chunk = nil
	c.mu.Unlock()
	c.started.Wait()
}

// Start implements Conn. The goroutine that it takes ends with the call.
func (c *http1) Start(ctx context.Context, call *Call, onEnd func(error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.Broken() {
		return ErrLost
	}
	c.started.Go(func() { onEnd(c.Do(context.WithoutCancel(ctx), call)) })
	return nil
}

// Do implements Conn.
func (c *http1) Do(ctx context.Context, call *Call) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	call.reset()
	if c.Broken() {
		return ErrLost
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() {
		c.broken.Store(true)
		_ = c.conn.Close() // the reads and writes fail
	})
	err := c.exchange(call)
	if !stop() && err != nil {
		return ctx.Err()
	}
	if err != nil {
		c.broken.Store(true)
		_ = c.conn.Close() // it is of no use any more
	}
	return err
}

func (c *http1) exchange(call *Call) error {
	head, ok := c.heads[call.Route]
	if !ok {
		head = c.head(call.Route)
		c.heads[call.Route] = head
	}
	c.out = append(c.out[:0], head...)
	c.out = strconv.AppendInt(c.out, int64(len(call.Body)), 10)
	c.out = append(c.out, "\r\n\r\n"...)
	c.out = append(c.out, call.Body...)
	// A deadline that was passed meanwhile shows below.
	_ = c.conn.SetDeadline(time.Now().Add(c.patience))
	if _, err := c.conn.Write(c.out); err != nil {
		return lost(err)
	}
	reply, err := http.ReadResponse(c.reader, nil)
	for err == nil && reply.StatusCode < http.StatusOK { // these come before the reply
		reply, err = http.ReadResponse(c.reader, nil)
	}
	if err != nil {
		return lost(err)
	}
	defer func() { _ = reply.Body.Close() }() // it was read to its end, or the connection is given up
	call.Status, call.ContentType = reply.StatusCode, reply.Header.Get("Content-Type")
	if err := c.receive(call, reply.Body); err != nil {
		return err
	}
	if reply.Close {
		c.broken.Store(true)
		_ = c.conn.Close() // the server closes it too
	}
	return nil
}

// receive reads the body. The patience begins anew with each part of it.
func (c *http1) receive(call *Call, body io.Reader) error {
	for {
		n, err := body.Read(c.chunk)
		if n > 0 {
			if err := call.receive(c.chunk[:n]); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return lost(err)
		}
		_ = c.conn.SetReadDeadline(time.Now().Add(c.patience)) // as above
	}
}

func (c *http1) head(route *Route) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: %s\r\n", route.Path, c.host)
	for _, field := range route.Header {
		fmt.Fprintf(&b, "%s: %s\r\n", field.Name, field.Value)
	}
	b.WriteString("Content-Length: ")
	return b.Bytes()
}

// lost gives an error of the network its kind.
func lost(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ErrSilent
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
		return ErrLost
	default:
		var network *net.OpError
		if errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("%w: %w", ErrLost, err)
		}
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
}
