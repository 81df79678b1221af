package transport

import (
	"time"

	"golang.org/x/net/http2"
)

// drain ends the connection in order. Requests that the client sends before it knows are
// served; it knows once it has answered a ping, and is told then which was the last.
func (c *conn) drain() {
	c.mu.Lock()
	defer c.unlock()
	c.beginDrain()
	c.flush()
}

// beginDrain is drain for a caller that holds mu.
func (c *conn) beginDrain() {
	if c.stage != stageServing {
		return
	}
	c.stage = stageDraining
	c.times.drainSince = c.server.clock.Load()
	c.appendGoAway(maxStreamID, http2.ErrCodeNo)
	c.appendPing(0, drainPing)
	c.endFeeds()
}

const maxStreamID = 1<<31 - 1

// sendLastGoAway says which request was the last to be served. The caller holds mu.
func (c *conn) sendLastGoAway() {
	if c.times.lastGoAwaySent {
		return
	}
	c.times.lastGoAwaySent = true
	c.appendGoAway(c.lastID, http2.ErrCodeNo)
	c.endIfDone()
}

// endIfDone ends the connection if it is to end and nothing is left to be sent. The caller
// holds mu.
func (c *conn) endIfDone() {
	if !c.isDone() {
		return
	}
	c.out.changed.Broadcast()
	if c.stage == stageDraining && c.times.lastGoAwaySent {
		c.stage = stageClosed
		c.closeWrite()
		c.out.broken = true // or the answer to a ping would fail, and have the rest taken back
		_ = c.socket.SetReadDeadline(time.Now().Add(lingerTimeout))
	}
}

// closeWrite tells the client that nothing more comes. Nobody waits for that, least of all the
// watchdog, which looks after the other connections too: closing the socket ends it. The caller
// holds mu.
func (c *conn) closeWrite() {
	if c.socket.closeWriteWaits() {
		c.server.running.Go(c.socket.closeWrite)
		return
	}
	c.socket.closeWrite()
}
