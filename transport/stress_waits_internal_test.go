package transport

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// A feed that left the rest of the connection to a large reply goes on when the client
// takes that reply back, though nothing else happens on the connection.
func TestStressHeldFeedGoesOnAfterReset(t *testing.T) {
	t.Parallel()
	handler := newStressHandler()
	_, addr := stressServer(t, handler, nil)
	c := newStressClient(t, addr)
	c.must(c.framer.WriteWindowUpdate(0, largeWindowBytes/2)) // not a large one
	feed := c.get("/feed", 1)
	c.readUntil("the first piece", func() bool { return len(c.bodies[feed]) == 1 })
	large := c.get("/quick", 2*maxUnsentBytes) // waits for the window of its stream
	c.readUntil("what the window has room for", func() bool { return len(c.bodies[large]) == defaultWindowBytes })
	handler.wakeAll()
	c.must(c.framer.WritePing(false, [8]byte{1}))
	c.readUntil("the last that is sent before", func() bool { return c.pongs == 1 })
	c.must(c.framer.WriteRSTStream(large, http2.ErrCodeCancel))
	c.readUntil("the piece after the reset", func() bool { return strings.Contains(string(c.bodies[feed]), "news") })
}

// A client that breaks the rules and reads nothing must not keep its connection.
func TestStressGiveUpOnAClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	server, addr := stressServer(t, newStressHandler(), func(_ *http.Server, o *Options) { o.WriteTimeout = 200 * time.Millisecond })
	c := newStressClient(t, addr, http2.Setting{ID: http2.SettingInitialWindowSize, Val: maxWindowBytes})
	c.must(c.socket.SetReadBuffer(1 << 12))
	c.must(c.framer.WriteWindowUpdate(0, maxWindowBytes-defaultWindowBytes))
	for range 8 {
		c.get("/quick", 3<<20)
	}
	conn := stressConn(t, server)
	stressEventually(t, "the client takes no more", func() bool {
		conn.mu.Lock()
		defer conn.mu.Unlock()
		return conn.out.sending && conn.out.pending != nil
	})
	c.must(c.framer.WriteData(0, true, nil)) // against the rules
	select {
	case <-conn.gone:
	case <-time.After(stressPatience):
		t.Fatal("the connection stays for ever")
	}
}

// A client that sends without a pause for longer than a header may take does nothing wrong.
func TestStressSlowSteadyUpload(t *testing.T) {
	t.Parallel()
	const limit = 300 * time.Millisecond
	_, addr := stressServer(t, newStressHandler(), func(s *http.Server, _ *Options) { s.ReadHeaderTimeout = limit })
	c := newStressClient(t, addr)
	upload := c.request("/slow", false)
	var frame strings.Builder
	framer := http2.NewFramer(&frame, nil)
	c.must(framer.WriteData(upload, false, make([]byte, 100)))
	whole := frame.String()
	half := len(whole) / 2
	_, err := c.socket.Write([]byte(whole[:half]))
	c.must(err)
	for begun := time.Now(); time.Since(begun) < 8*limit; <-time.After(limit / 30) {
		// Each write ends in the midst of a frame.
		if _, err := c.socket.Write([]byte(whole[half:] + whole[:half])); err != nil {
			t.Fatal(err)
		}
	}
	_, err = c.socket.Write([]byte(whole[half:]))
	c.must(err)
	c.must(c.framer.WriteData(upload, true, nil))
	c.readUntil("the reply", func() bool { return c.ended[upload] || c.goAway != nil })
	if c.goAway != nil {
		t.Fatalf("the connection is ended with %v", *c.goAway)
	}
}

// A request that has begun when the connection is found to be idle is served.
func TestStressRequestOnAnIdleConnection(t *testing.T) {
	t.Parallel()
	const idle = 300 * time.Millisecond
	handler := newStressHandler()
	handler.admit = func(path string) {
		if path == "/slow" {
			<-time.After(3 * idle)
		}
	}
	_, addr := stressServer(t, handler, func(s *http.Server, _ *Options) { s.IdleTimeout = idle })
	c := newStressClient(t, addr)
	id := c.get("/slow", 10)
	c.readUntil("the reply", func() bool { return c.ended[id] })
}

// Shutdown returns though a call does not heed its context.
func TestStressShutdownDespiteAStuckCall(t *testing.T) {
	t.Parallel()
	handler := newStressHandler()
	begun, stuck := make(chan struct{}), make(chan struct{})
	handler.slow = func(context.Context) { close(begun); <-stuck }
	server, addr := stressServer(t, handler, nil)
	c := newStressClient(t, addr)
	c.get("/slow", 1)
	<-begun
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- server.Shutdown(ctx) }()
	select {
	case err := <-done:
		if err == nil {
			t.Error("no error though a call was cut off")
		}
	case <-time.After(stressPatience):
		t.Error("Shutdown does not return")
	}
	close(stuck)
}

// A body that comes whole just when it is found to be late is served, and not refused too.
func TestStressBodyThatIsJustInTime(t *testing.T) {
	t.Parallel()
	handler := newStressHandler()
	begun, goOn := make(chan struct{}), make(chan struct{})
	handler.slow = func(context.Context) { close(begun); <-goOn }
	server, addr := stressServer(t, handler, nil)
	c := newStressClient(t, addr)
	id := c.request("/slow", false)
	conn := stressConn(t, server)
	var late map[*request]*stream
	stressEventually(t, "the request is there", func() bool {
		conn.mu.Lock()
		defer conn.mu.Unlock()
		late = conn.lateUploads(1 << 62) // what the watchdog has in its hands
		return len(late) == 1
	})
	c.must(c.framer.WriteData(id, true, []byte("body")))
	<-begun
	for r, s := range late {
		conn.refuse(s, r, ErrBodyTimeout)
	}
	conn.mu.Lock()
	conn.flush()
	conn.unlock()
	close(goOn)
	c.readUntil("the reply", func() bool { return c.ended[id] })
	if body := string(c.bodies[id]); body != "" {
		t.Errorf("the reply is %q", body)
	}
}

// Who has closed its side makes no window larger: a reply that waits for that must not keep
// the connection.
func TestStressClosedSideAndAClosedWindow(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/quick", "/slow", "/else"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			_, addr := stressServer(t, newStressHandler(), nil)
			c := newStressClient(t, addr)
			c.get(path, defaultWindowBytes+1)
			c.must(c.socket.CloseWrite())
			if err := c.readToEnd(); err != nil || len(c.resets) != 1 {
				t.Errorf("resets: %v, then %v", c.resets, err)
			}
		})
	}
}
