package transport

import (
	"strconv"
	"testing"
	"time"
)

// Many uploads that must wait for each other cost the server no more each than few do, when
// they begin and when they end: what takes milliseconds took seconds when each had to look
// for the oldest of all.
func TestStressManyUploadsWait(t *testing.T) {
	t.Parallel()
	const (
		uploads = 30_000
		limit   = 5 * time.Second
	)
	for name, end := range map[string]func(c *stressClient){
		"the client closes its side": func(c *stressClient) { c.must(c.socket.CloseWrite()) },
		"the client is gone":         func(c *stressClient) { c.must(c.socket.Close()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, addr := stressServer(t, newStressHandler(), nil)
			c := newStressClient(t, addr)
			for range uploads {
				c.request("/slow", false, "content-length", strconv.Itoa(1<<20))
			}
			conn := stressConn(t, server)
			count := func() int {
				conn.mu.Lock()
				defer conn.mu.Unlock()
				return conn.uploads
			}
			stressEventually(t, "all have begun", func() bool { return count() == uploads })
			if err := stressInvariants(conn); err != nil {
				t.Error(err)
			}
			begun := time.Now()
			end(c)
			stressEventually(t, "all have ended", func() bool { return count() == 0 })
			if took := time.Since(begun); took > limit {
				t.Errorf("their end takes %v", took)
			}
		})
	}
}

// A body that waits for its turn keeps what it is to be promised, though it goes on with what
// it may send without that.
func TestStressUploadKeepsWhatItAwaits(t *testing.T) {
	t.Parallel()
	const bytes = 1 << 20
	server, addr := stressServer(t, newStressHandler(), nil)
	c := newStressClient(t, addr)
	var last uint32
	for range maxHeldBytes/bytes + 10 {
		last = c.request("/slow", false, "content-length", strconv.Itoa(bytes))
	}
	for range 3 {
		c.must(c.framer.WriteData(last, false, make([]byte, maxFrameBytes)))
	}
	c.must(c.framer.WritePing(false, [8]byte{1}))
	c.readUntil("all that was sent is there", func() bool { return c.pongs == 1 })
	conn := stressConn(t, server)
	conn.mu.Lock()
	defer conn.mu.Unlock()
	if got := conn.streams[last].request.awaitedBytes; got != bytes-streamWindowBytes {
		t.Errorf("it waits for %d bytes more", got)
	}
}
