package transport

import (
	"time"

	"golang.org/x/net/http2"
)

// idleness counts the frames of a client that ask for nothing. It belongs to the goroutine
// of the connection.
type idleness struct {
	frames int
	since  time.Time // the count began
}

// note counts frames, and fails if there are too many.
func (i *idleness) note(frames int) error {
	if i.frames += frames; i.frames < idleFrames {
		return nil
	}
	now := time.Now()
	if now.Sub(i.since) < idleFramesInterval {
		return http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)
	}
	i.frames, i.since = 0, now
	return nil
}
