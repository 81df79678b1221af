package transport

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"

	"golang.org/x/net/http2"
)

// work is the calls that are not quick. It is guarded by the mu of the connection.
type work struct {
	waiting streamList
	workers int
	room    sync.Cond // there may be room for replies
}

// serveCall serves a call whose body is there: at once if it is quick or alone and the client
// reads its replies, on another goroutine otherwise.
func (c *conn) serveCall(s *stream, call Call, body []byte) error {
	quick, err := c.server.receive(call, body)
	if err != nil {
		c.resetBroken(s)
		return nil //nolint:nilerr // it is logged, and others go on
	}
	c.mu.Lock()
	switch {
	case s.closed:
		c.unlock()
		return nil
	case c.out.unsentBytes > maxUnsentBytes:
	case quick:
		c.unlock()
		c.serveQuick(s, call)
		return nil
	case c.noteLone():
		return c.serveLone(s, call)
	}
	c.serveLater(s)
	c.unlock()
	return nil
}

// serveQuick serves a call on the goroutine of the connection.
func (c *conn) serveQuick(s *stream, call Call) {
	reply, err := c.server.serve(c.ctx, call, s)
	if err != nil {
		c.resetBroken(s)
		return
	}
	c.mu.Lock()
	c.reply(s, reply)
	if s.closed && reply.Feed == nil && len(c.spare) < maxSpareStreams {
		c.spare = append(c.spare, s)
	}
	c.unlock()
}

// serveLater leaves a call to a worker. The caller holds mu.
func (c *conn) serveLater(s *stream) {
	c.work.waiting.push(s)
	if c.work.workers < maxCallWorkers {
		c.work.workers++
		c.server.running.Go(c.runCalls)
	}
}

// runCalls serves calls until none is left.
func (c *conn) runCalls() {
	c.mu.Lock()
	for s := c.work.waiting.pop(); s != nil; s = c.work.waiting.pop() {
		for c.out.unsentBytes > maxUnsentBytes && !s.closed {
			c.work.room.Wait()
		}
		if s.closed {
			continue
		}
		ctx, cancel := context.WithCancel(c.ctx)
		call := s.request.call
		s.request.cancel = cancel
		c.unlock()
		reply, err := c.server.serve(ctx, call, s)
		cancel()
		if err != nil {
			c.resetBroken(s)
			c.mu.Lock()
			continue
		}
		c.mu.Lock()
		c.reply(s, reply)
		c.flushSoon()
	}
	c.work.workers--
	c.unlock()
}

// refuse answers a call whose body is not there.
func (c *conn) refuse(s *stream, r *request, reason error) {
	c.mu.Lock()
	if s.closed || s.request != r || s.remoteEnded {
		c.unlock()
		return // it is there now, or nobody waits
	}
	c.endRequest(s, r)
	c.unlock()
	reply, err := c.server.refuse(r.call, reason)
	if err != nil {
		c.resetBroken(s)
		return
	}
	c.mu.Lock()
	c.reply(s, reply)
	c.unlock()
}

// resetBroken ends a stream whose handler has panicked.
func (c *conn) resetBroken(s *stream) {
	c.mu.Lock()
	c.reset(s, http2.ErrCodeInternal)
	c.flush()
	c.unlock()
}

// reset ends a stream before its reply is sent whole. The caller holds mu.
func (c *conn) reset(s *stream, code http2.ErrCode) {
	if s.closed {
		return
	}
	c.appendReset(s.id, code)
	c.refused.add(s.id)
	c.finish(s)
}

// A handler that panics fails its request and no other, as with net/http. The methods
// below call it so.

func (s *Server) admit(request Request) (call Call, refusal *Reply, err error) {
	defer s.catch(&err)
	call, refusal = s.handler.Admit(request)
	return call, refusal, nil
}

func (s *Server) receive(call Call, body []byte) (quick bool, err error) {
	defer s.catch(&err)
	return call.Receive(body), nil
}

func (s *Server) serve(ctx context.Context, call Call, waker Waker) (reply Reply, err error) {
	defer s.catch(&err)
	return call.Serve(ctx, waker), nil
}

func (s *Server) refuse(call Call, reason error) (reply Reply, err error) {
	defer s.catch(&err)
	return call.Refuse(reason), nil
}

func (s *Server) next(ctx context.Context, feed Feed) (piece []byte, err error) {
	defer s.catch(&err)
	return feed.Next(ctx)
}

// catch turns a panic into an error, once it is logged. It is deferred.
func (s *Server) catch(err *error) { //nolint:gocritic // it sets the caller's result
	if value := recover(); value != nil { //nolint:revive // catch is what is deferred
		s.logger.Error("panic while serving", "panic", value, "stack", string(debug.Stack()))
		*err = fmt.Errorf("panic: %v", value)
	}
}
