package transport

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
)

// A program that waits for each write before the next spends much of that time on goroutines
// that wake each other. So a call that is alone on its connection is served on the
// connection's own goroutine, although it is not quick, if those before it were alone too.
// Nothing is read meanwhile; if it takes long another goroutine goes on with that.

const (
	// loneStreak is how many calls must have been alone before one is expected to be.
	loneStreak = 4
	// loneTimeout is how long others may have to wait for one that was not.
	loneTimeout = time.Millisecond
)

// errHandedOver tells the goroutine of a connection that it is that no more.
var errHandedOver = errors.New("another goroutine reads the connection")

// noteLone counts a call that is not quick if it is alone, and tells whether it should be
// served on the goroutine of the connection. The caller holds mu.
func (c *conn) noteLone() bool {
	if c.unanswered > 1 || len(c.input.unread) > 0 || c.socket.raw == nil {
		c.lone = 0
		return false
	}
	c.lone++
	return c.lone > loneStreak
}

// handover decides who goes on reading: whoever is first sets it.
type handover struct{ decided atomic.Bool }

// serveLone serves a call on the goroutine of the connection. It gives errHandedOver if that
// goroutine must touch nothing any more that belongs to it. The caller holds mu, which is
// given back.
func (c *conn) serveLone(s *stream, call Call) error {
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	s.request.cancel = cancel
	c.unlock()
	decision := new(handover)
	c.server.running.Add(1)
	timer := time.AfterFunc(loneTimeout, func() {
		if decision.decided.CompareAndSwap(false, true) {
			defer c.server.running.Done()
			c.takeOver()
		}
	})
	reply, err := c.server.serve(ctx, call, s)
	stays := decision.decided.CompareAndSwap(false, true)
	if stays {
		timer.Stop()
		c.server.running.Done()
		if c.socket.hasInput() {
			c.lone = 0 // something had to wait
		}
	}
	c.mu.Lock()
	if err != nil {
		c.reset(s, http2.ErrCodeInternal)
	} else {
		c.reply(s, reply)
	}
	if !stays {
		c.flush()
		c.unlock()
		return errHandedOver
	}
	c.unlock()
	return nil
}

// takeOver goes on reading in place of a goroutine that serves a call.
func (c *conn) takeOver() {
	c.lone = 0
	c.input.nextFrame()
	c.serveFrames()
}
