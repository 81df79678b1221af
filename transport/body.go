package transport

import (
	"golang.org/x/net/http2"
)

// receiveData takes a part of the body of a request.
func (c *conn) receiveData(frame *http2.DataFrame) error {
	data, ended := frame.Data(), frame.StreamEnded()
	if len(data) == 0 && !ended {
		if err := c.idleness.note(1); err != nil {
			return err
		}
	}
	c.mu.Lock()
	s, err := c.accountData(frame)
	if s == nil || err != nil {
		c.unlock()
		return err
	}
	r := s.request
	switch {
	case r == nil: // it is answered already
		c.giveBack(int64(len(data)))
		if ended {
			return c.bodyEnded(s)
		}
		c.unlock()
		return nil
	case r.declaredBytes >= 0 && r.receivedBytes > r.declaredBytes:
		c.giveBack(int64(len(data)))
		c.unlock()
		return http2.StreamError{StreamID: s.id, Code: http2.ErrCodeProtocol}
	case r.http != nil:
		r.body = append(r.body, data...)
		c.holdBody(r, int64(len(data)))
		r.http.moved.Broadcast()
		if ended {
			return c.bodyEnded(s)
		}
		c.unlock()
		return nil
	}
	return c.receiveCallData(s, r, data, ended)
}

// accountData takes a frame off the windows, and gives its stream if that is one that the
// frame may be for. The caller holds mu.
func (c *conn) accountData(frame *http2.DataFrame) (*stream, error) {
	all, data := int64(frame.Length), int64(len(frame.Data()))
	if all > c.windows.receiveBytes {
		return nil, http2.ConnectionError(http2.ErrCodeFlowControl)
	}
	c.windows.receiveBytes -= all
	s := c.streams[frame.StreamID]
	if s == nil {
		c.giveBack(all)
		if err := c.onClosedStream(frame.StreamID); err != nil {
			return nil, err
		}
		if c.refused.has(frame.StreamID) || frame.StreamID > c.lastID {
			return nil, nil
		}
		return nil, http2.StreamError{StreamID: frame.StreamID, Code: http2.ErrCodeStreamClosed}
	}
	if s.remoteEnded {
		c.giveBack(all)
		return nil, http2.StreamError{StreamID: s.id, Code: http2.ErrCodeStreamClosed}
	}
	c.giveBack(all - data) // the padding
	r := s.request
	if r == nil {
		return s, nil
	}
	if all > r.windowBytes {
		c.giveBack(data)
		return nil, http2.StreamError{StreamID: s.id, Code: http2.ErrCodeFlowControl}
	}
	r.windowBytes -= all
	r.receivedBytes += data
	return s, nil
}

// onClosedStream fails if a frame is for a stream that was never begun. The caller holds mu.
func (c *conn) onClosedStream(id uint32) error {
	if id%2 == 0 || id > c.lastID && !c.times.lastGoAwaySent {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	return nil
}

// receiveCallData takes a part of the body of a call. The caller holds mu, which is given
// back.
func (c *conn) receiveCallData(s *stream, r *request, data []byte, ended bool) error {
	if r.receivedBytes > r.maxBytes {
		c.giveBack(int64(len(data)))
		c.unlock()
		c.refuse(s, r, ErrBodyTooLarge)
		return nil
	}
	c.holdBody(r, int64(len(data)))
	r.body = append(r.body, data...)
	if !ended {
		c.allowMore(s, r)
		c.unlock()
		return nil
	}
	return c.bodyEnded(s)
}

// bodyEnded goes on with a request that is there whole. The caller holds mu, which is given
// back.
func (c *conn) bodyEnded(s *stream) error {
	r := s.request
	switch {
	case r == nil: // it is answered already
		s.remoteEnded = true
		if s.discards {
			c.finish(s)
		}
	case r.declaredBytes >= 0 && r.receivedBytes != r.declaredBytes:
		c.unlock()
		return http2.StreamError{StreamID: s.id, Code: http2.ErrCodeProtocol}
	default:
		s.remoteEnded = true
		c.uploads--
		c.endTurn(s, r)
	}
	if r != nil && r.http != nil {
		r.http.moved.Broadcast()
	}
	if r == nil || r.call == nil {
		c.unlock()
		return nil
	}
	call, body := r.call, r.body
	r.body = nil
	c.unlock()
	return c.serveCall(s, call, body)
}
