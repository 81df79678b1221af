package transport_test

import "golang.org/x/net/http2"

// windows are how much one side of a connection lets the other send.
type windows struct {
	initial int64
	conn    int64
	streams map[uint32]int64 // those that differ from initial, as a difference to it
}

// What holds without SETTINGS, in bytes.
const (
	defaultWindow    = 65535
	defaultFrameSize = 16 << 10
)

func newWindows() windows {
	return windows{initial: defaultWindow, conn: defaultWindow, streams: map[uint32]int64{}}
}

// of gives how much may be sent on a stream at once.
func (w *windows) of(stream uint32) int64 { return min(w.conn, w.initial+w.streams[stream]) }

func (w *windows) setInitial(size uint32) { w.initial = int64(size) }

func (w *windows) use(stream uint32, n int) {
	w.conn -= int64(n)
	w.streams[stream] -= int64(n)
}

// add takes a WINDOW_UPDATE; stream 0 is the connection.
func (w *windows) add(stream, n uint32) {
	if stream == 0 {
		w.conn += int64(n)
		return
	}
	w.streams[stream] += int64(n)
}

// configure sends SETTINGS. A new initial window holds from their acknowledgement on.
func (c *client) configure(settings ...http2.Setting) {
	c.t.Helper()
	size := uint32(defaultWindow)
	if len(c.sizes) > 0 {
		size = c.sizes[len(c.sizes)-1]
	}
	for _, setting := range settings {
		if setting.ID == http2.SettingInitialWindowSize {
			size = setting.Val
		}
	}
	c.sizes = append(c.sizes, size)
	c.must(c.WriteSettings(settings...))
}

// grant lets the server send more on a stream, or on the connection if that is 0.
func (c *client) grant(stream, n uint32) error {
	c.granted.add(stream, n)
	return c.WriteWindowUpdate(stream, n)
}
