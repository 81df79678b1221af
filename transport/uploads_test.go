package transport_test

import (
	"strconv"
	"testing"
)

// Bodies that are more together than a connection may hold come to their end, however the
// client takes turns with them.
func TestUploadsByTurns(t *testing.T) {
	t.Parallel()
	const uploads = 80
	body := string(make([]byte, 1<<20))
	for name, fields := range map[string][]string{
		"of a length that is known": {"content-length", strconv.Itoa(len(body))},
		"of any length":             nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, start(t, unhurried).address)
			c.until("settings", func() bool { return len(c.settings) > 0 })
			left := make(map[uint32]int)
			var streams []uint32
			for range uploads {
				stream := c.open(post("/v2/hello", fields...)...)
				streams = append(streams, stream)
				left[stream] = len(body)
			}
			for len(left) > 0 {
				sent := 0
				for _, stream := range streams {
					n := min(left[stream], int(c.windows.of(stream)), defaultFrameSize)
					if n <= 0 {
						continue
					}
					left[stream] -= n
					sent += n
					c.data(stream, left[stream] == 0, body[:n])
					if left[stream] == 0 {
						delete(left, stream)
					}
				}
				if sent == 0 {
					c.check(nil, c.readOne())
				}
			}
			for _, stream := range streams {
				if r := c.reply(stream); r.status != "200" {
					t.Fatal(r)
				}
			}
		})
	}
}
