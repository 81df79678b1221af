package transport

import (
	"testing"
	"time"
)

// Many feeds that wait for the window cost the server no more than few do, if the client makes
// room for one at a time: what takes milliseconds took seconds when all were tried each time.
func TestStressManyFeedsWaitForTheWindow(t *testing.T) {
	t.Parallel()
	const (
		feeds, updates = 20_000, 6000
		pieceBytes     = 200
		limit          = 3 * time.Second
	)
	handler := newStressHandler()
	handler.next = func() ([]byte, error) { return make([]byte, pieceBytes), nil }
	server, addr := stressServer(t, handler, nil)
	c := newStressClient(t, addr)
	c.must(c.framer.WriteWindowUpdate(0, largeWindowBytes))
	for range feeds {
		c.get("/feed", 1)
	}
	c.readUntil("the first pieces", func() bool { return len(c.bodies) == feeds })
	conn := stressConn(t, server)
	handler.wakeAll()
	stressEventually(t, "feeds are held", func() bool {
		conn.mu.Lock()
		defer conn.mu.Unlock()
		return !conn.out.held.isEmpty() && conn.toTell.isEmpty() && !conn.out.busy()
	})
	begun := time.Now()
	for range updates {
		c.must(c.framer.WriteWindowUpdate(0, pieceBytes-50))
	}
	c.must(c.framer.WritePing(false, [8]byte{1}))
	c.readUntil("all updates are there", func() bool { return c.pongs == 1 })
	if took := time.Since(begun); took > limit {
		t.Errorf("the updates take %v", took)
	}
	c.must(c.framer.WriteWindowUpdate(0, 2*feeds*pieceBytes))
	c.readUntil("each piece", func() bool {
		for _, body := range c.bodies {
			if len(body) <= pieceBytes {
				return false
			}
		}
		return true
	})
}
