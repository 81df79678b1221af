package transport

import (
	"golang.org/x/net/http2"
)

// receiveSettings takes what the client asks for, and says so.
func (c *conn) receiveSettings(frame *http2.SettingsFrame) error {
	c.mu.Lock()
	defer c.unlock()
	c.settled = true
	if err := c.idleness.note(1); err != nil || frame.IsAck() {
		return err
	}
	err := frame.ForeachSetting(func(setting http2.Setting) error {
		if err := setting.Valid(); err != nil {
			return err
		}
		switch setting.ID {
		case http2.SettingInitialWindowSize:
			return c.changeStreamWindows(int64(setting.Val))
		case http2.SettingHeaderTableSize:
			c.settingsIn.smallTable = c.settingsIn.smallTable || setting.Val < defaultTableBytes
		default: // the frames sent here are as short as any client takes
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.appendSettingsAck()
	c.fill()
	return nil
}

// changeStreamWindows changes the windows of all streams by as much as the one they begin
// with changes, below zero even. A frame may ask for that many times. The caller holds mu.
func (c *conn) changeStreamWindows(bytes int64) error {
	if err := c.idleness.note(len(c.streams) / streamsPerIdleFrame); err != nil {
		return err
	}
	change := bytes - c.settingsIn.streamWindowBytes
	c.settingsIn.streamWindowBytes = bytes
	for _, s := range c.streams {
		if s.sendWindowBytes += change; s.sendWindowBytes > maxWindowBytes {
			return http2.ConnectionError(http2.ErrCodeFlowControl)
		}
		c.resume(s)
	}
	return nil
}

// drainPing is asked at a drain: the answer tells that the client knows of it.
var drainPing = [8]byte{'d', 'r', 'a', 'i', 'n'}

func (c *conn) receivePing(frame *http2.PingFrame) error {
	if err := c.idleness.note(1); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.unlock()
	switch {
	case !frame.IsAck():
		c.appendPing(http2.FlagPingAck, frame.Data)
	case frame.Data == drainPing && c.stage == stageDraining:
		c.sendLastGoAway()
	}
	return nil
}

// receiveReset ends a stream that the client has no more use for.
func (c *conn) receiveReset(frame *http2.RSTStreamFrame) error {
	c.mu.Lock()
	defer c.unlock()
	s := c.streams[frame.StreamID]
	if s == nil {
		return c.onClosedStream(frame.StreamID)
	}
	var err error
	if !s.replied {
		// Requests that are taken back before they are answered cost the client
		// nothing (CVE-2023-44487).
		err = c.idleness.note(1)
	}
	c.finish(s)
	return err
}

func (c *conn) receivePriority(frame *http2.PriorityFrame) error {
	if err := c.idleness.note(1); err != nil {
		return err
	}
	if frame.StreamDep == frame.StreamID {
		return http2.StreamError{StreamID: frame.StreamID, Code: http2.ErrCodeProtocol}
	}
	return nil
}

// receiveStreamError ends the stream whose client broke the rules, and no other.
func (c *conn) receiveStreamError(err http2.StreamError) error {
	c.mu.Lock()
	defer c.unlock()
	if s := c.streams[err.StreamID]; s != nil {
		c.reset(s, err.Code)
	} else if err.StreamID > c.lastID {
		return http2.ConnectionError(err.Code) // a stream that was not begun cannot be reset
	} else {
		c.appendReset(err.StreamID, err.Code)
	}
	return c.idleness.note(1)
}
