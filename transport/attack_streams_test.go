package transport_test

import (
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// The tests of attacks measure the process, and so run alone.
//
// A client that takes back its requests as soon as it has made them (CVE-2023-44487) does
// not get more served at once than one that does not, and is stopped if it gets much work
// done for nothing.
func TestRapidReset(t *testing.T) { //nolint:paralleltest // see above
	tests := map[string]struct {
		path      string
		takenBack func(c *client, stream uint32)
		isFree    bool // the server has no work that is given up
	}{
		"quick calls":      {"/v2/echo", (*client).cancel, true},
		"slow calls":       {"/v2/slow", (*client).cancel, false},
		"stuck calls":      {"/v2/stuck", (*client).cancel, false},
		"net/http":         {"/idle", (*client).cancel, false},
		"quick net/http":   {"/first", (*client).cancel, true},
		"feeds":            {"/v2/feed", (*client).cancel, true},
		"made to reset":    {"/v2/stuck", (*client).zeroWindow, false}, // CVE-2025-8671
		"made to, by HTTP": {"/idle", (*client).zeroWindow, false},
	}
	for name, test := range tests { //nolint:paralleltest // see above
		t.Run(name, func(t *testing.T) {
			a := besiege(t)
			at := a.attacker(true)
			block := at.encodeLiteral(post(test.path)...)
			cut := at.flood(manyResets, func() {
				stream := at.request(block)
				test.takenBack(at.client, stream)
			})
			if !test.isFree {
				at.wantStopped(cut)
			}
			a.bounded(maxAttackGoes)
			if n := a.server.calls.mostRunning.Load(); n > maxAttackGoes {
				t.Errorf("%d calls were served at once", n)
			}
			_ = at.conn.Close()
			a.server.calls.release()
			a.over()
		})
	}
}

func (c *client) cancel(stream uint32) { c.must(c.WriteRSTStream(stream, http2.ErrCodeCancel)) }

func (c *client) zeroWindow(stream uint32) { c.must(c.WriteWindowUpdate(stream, 0)) }

// encodeLiteral gives a block that leaves the tables alone.
func (at *attacker) encodeLiteral(fields ...string) []byte {
	var block []byte
	for i := 0; i < len(fields); i += 2 {
		block = append(block, literal(fields[i], fields[i+1])...)
	}
	return block
}

// request sends HEADERS that end their stream.
func (at *attacker) request(block []byte) (stream uint32) {
	stream = at.newStream()
	at.must(at.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block, EndStream: true, EndHeaders: true}))
	return stream
}

// More streams than the server allows are refused, and do no harm to those it has.
func TestMoreStreamsThanAllowed(t *testing.T) { //nolint:paralleltest // see TestRapidReset
	const allowed = 10
	for _, path := range slowPaths { //nolint:paralleltest // see TestRapidReset
		t.Run(path, func(t *testing.T) {
			a := besiege(t, func(s *setup) { s.http.HTTP2.MaxConcurrentStreams = allowed })
			c := dial(t, a.server.address)
			c.sync()
			for range allowed {
				c.get(post(path)...)
				receive(t, "a request", a.server.calls.begun)
			}
			for range 100 {
				r := c.reply(c.get(post(path)...))
				if r.reset == nil || *r.reset != http2.ErrCodeRefusedStream && *r.reset != http2.ErrCodeProtocol {
					t.Fatalf("a stream above the limit: %v", r)
				}
			}
			at := a.attacker(true)
			block := at.encodeLiteral(post(path)...)
			cut := at.flood(manyFrames, func() { at.request(block) })
			at.wantStopped(cut)
			a.bounded(maxAttackGoes)
			if n := a.server.calls.mostRunning.Load(); n > 2*allowed {
				t.Errorf("%d calls were served at once", n)
			}
			a.server.calls.release()
			for stream := uint32(1); stream < 2*allowed; stream += 2 {
				c.wantReply(stream, "200", "")
			}
			_ = at.conn.Close()
			a.over()
		})
	}
}

// Thousands of requests that stop in the middle of their bodies take memory for what has
// arrived, not for what they say will, and end with the time for a body.
func TestSlowBodies(t *testing.T) { //nolint:paralleltest // see TestRapidReset
	const streams = 5000
	a := besiege(t, func(s *setup) {
		s.http.HTTP2.MaxConcurrentStreams = 2 * streams
		s.options.BodyTimeout = time.Second
	})
	c := dial(t, a.server.address)
	c.sync()
	block := (&attacker{client: c}).encodeLiteral(post("/v2/patient", "content-length", "1000000")...)
	c.together(func() {
		for range streams {
			stream := c.newStream()
			c.must(c.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block, EndHeaders: true}))
			c.data(stream, false, "a")
		}
	})
	c.sync()
	a.bounded(maxAttackGoes)
	for stream := uint32(1); stream < 2*streams; stream += 2 {
		if r := c.reply(stream); r.status != "400" {
			t.Fatalf("stream %d: %v", stream, r)
		}
	}
	if n := a.server.calls.bodies.Load(); n < 1 {
		t.Error("the other client was not served")
	}
	_ = c.conn.Close()
	clear(c.replies)
	a.over()
}
