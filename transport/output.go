package transport

import (
	"runtime"
	"sync"

	"golang.org/x/net/http2"
)

// output is what a connection has to send. All of it is guarded by the mu of the
// connection.
type output struct {
	pending *chunk     // frames that were not handed to the system; nil for none
	ready   streamList // streams that have something for pending
	held    streamList // streams with a feed that must leave the window to others
	crowded bool       // some of held may use the window, but too much waits for it

	unsentBytes int64 // of all streams' rests
	sending     bool  // a goroutine hands frames to the system
	soon        bool  // a goroutine is about to
	sentSince   bool  // something was sent since something arrived, which acknowledges that
	broken      bool  // nothing can be sent any more
	changed     sync.Cond
}

// chunk is a buffer for frames. Only connections that have something to send have one.
type chunk struct{ bytes []byte }

var chunks = sync.Pool{New: func() any { return new(chunk) }}

// maxKeptChunkBytes is the largest buffer that is used again.
const maxKeptChunkBytes = 2 * outputBytes

func (o *output) buffer() []byte {
	if o.pending == nil {
		kept, ok := chunks.Get().(*chunk)
		if !ok {
			kept = new(chunk)
		}
		o.pending = kept
	}
	return o.pending.bytes
}

func (o *output) set(b []byte) { o.pending.bytes = b }

func (ch *chunk) release() {
	if cap(ch.bytes) > maxKeptChunkBytes {
		return
	}
	ch.bytes = ch.bytes[:0]
	chunks.Put(ch)
}

// isFull tells that the client has not taken what was sent, and as much again waits for
// that.
func (o *output) isFull() bool {
	return o.sending && o.pending != nil && len(o.pending.bytes) >= outputBytes
}

// busy tells that something is on its way to the system.
func (o *output) busy() bool { return o.sending || o.pending != nil }

// fill makes frames of what the streams have to send, as far as there is room and the
// client lets it. Streams take turns. The caller holds mu.
func (c *conn) fill() {
	for c.out.pending == nil || len(c.out.pending.bytes) < outputBytes {
		s := c.out.ready.pop()
		if s == nil {
			return
		}
		switch {
		case len(s.rest) == 0:
			c.endStream(s)
		case s.feed != nil && !s.last && !c.feedMayGoOn(s):
			c.hold(s)
		case c.inputEnded && (s.sendWindowBytes <= 0 || c.windows.sendBytes <= 0):
			c.resetStuck(s)
		case s.sendWindowBytes <= 0: // resume goes on with it
		case c.windows.sendBytes <= 0:
			c.out.ready.pushFirst(s)
			return
		default:
			c.sendData(s)
		}
	}
}

// resetStuck ends a stream for which there is no room, when the client has closed its side:
// it will not make any. The caller holds mu.
func (c *conn) resetStuck(s *stream) { c.reset(s, http2.ErrCodeCancel) }

// sendData makes a frame of what a stream has to send. The caller holds mu.
func (c *conn) sendData(s *stream) {
	n := min(int64(len(s.rest)), s.sendWindowBytes, c.windows.sendBytes, maxFrameBytes)
	s.sendWindowBytes -= n
	c.windows.sendBytes -= n
	if s.feed != nil {
		c.noteFed(s, n)
	} else {
		s.lastSent = c.server.clock.Load()
	}
	c.windows.updatesEarned += updatesForData
	c.out.unsentBytes -= n
	var flags http2.Flags
	if s.last && n == int64(len(s.rest)) {
		flags = http2.FlagDataEndStream
	}
	b := appendFrameHeader(c.out.buffer(), int(n), http2.FrameData, flags, s.id)
	c.out.set(append(b, s.rest[:n]...))
	if s.rest = s.rest[n:]; len(s.rest) > 0 {
		c.out.ready.push(s)
		return
	}
	s.rest = nil
	switch {
	case s.last:
		c.localEnded(s)
	case s.feed != nil:
		c.tellSoon(s)
	default:
		s.request.http.moved.Broadcast()
	}
}

// endStream ends the body of a reply. The caller holds mu.
func (c *conn) endStream(s *stream) {
	c.out.set(appendFrameHeader(c.out.buffer(), 0, http2.FrameData, http2.FlagDataEndStream, s.id))
	c.localEnded(s)
}

// localEnded ends a stream of which all is sent. A client that is still sending its
// request is told that it need not. The caller holds mu.
func (c *conn) localEnded(s *stream) {
	if r := s.request; r != nil {
		c.endRequest(s, r)
	}
	switch {
	case s.remoteEnded:
	case s.bodyFits && c.stage == stageServing:
		// Some clients lose a reply that a reset comes with (curl 7.88).
		s.discards, s.lastSent = true, c.server.clock.Load()
		c.discards++
		return
	default:
		c.appendReset(s.id, http2.ErrCodeNo)
		c.refused.add(s.id)
	}
	c.finish(s)
}

// flush hands to the system what there is. What the system does not take at once is left
// to a goroutine, so that nobody waits for the client. The caller holds mu, which is given
// back meanwhile.
func (c *conn) flush() {
	c.fill()
	for c.out.pending != nil && !c.out.sending && !c.out.broken {
		sent := c.out.pending
		c.beginSending()
		c.unlock()
		n, err := c.socket.sendSome(sent.bytes)
		c.mu.Lock()
		c.out.sentSince = c.out.sentSince || n > 0
		if err == nil && n < len(sent.bytes) && !c.out.broken {
			c.server.running.Go(func() { c.sendRest(sent, n) })
			return
		}
		c.endSending(sent, err)
	}
}

// beginSending makes the caller the one who sends what is pending. The caller holds mu.
func (c *conn) beginSending() {
	c.out.pending = nil
	c.out.sending = true
	c.times.sendingSince = c.server.clock.Load()
}

// endSending gives a chunk back that was sent, or not if there was an error, and makes the
// next one. The caller holds mu.
func (c *conn) endSending(sent *chunk, err error) {
	c.out.sending = false
	sent.release()
	if err != nil {
		c.breakOff()
	}
	c.resumeHeld()
	c.fill()
	c.work.room.Broadcast()
	c.out.changed.Broadcast()
	c.endIfDone()
}

// sendRest sends a chunk from an offset on, and all that comes after it meanwhile, at the
// pace of the client.
func (c *conn) sendRest(sent *chunk, offset int) {
	for {
		n, err := c.socket.Write(sent.bytes[offset:min(len(sent.bytes), offset+patientBytes)])
		c.mu.Lock()
		if offset += n; err == nil && offset < len(sent.bytes) {
			c.times.sendingSince = c.server.clock.Load()
			c.mu.Unlock()
			continue
		}
		c.endSending(sent, err)
		if c.out.pending == nil || c.out.broken {
			c.unlock()
			return
		}
		sent, offset = c.out.pending, 0
		c.beginSending()
		c.unlock()
	}
}

// flushSoon is flush after all others that can run have run: replies that are ready at
// the same time, as those to a group of writes, leave together. The caller holds mu, which
// is given back meanwhile.
func (c *conn) flushSoon() {
	if c.out.soon {
		return // whoever said so sends this too
	}
	c.out.soon = true
	c.unlock()
	runtime.Gosched()
	c.mu.Lock()
	c.out.soon = false
	c.flush()
}
