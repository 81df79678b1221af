package transport_test

import (
	"context"
	"errors"
	"testing"

	"golang.org/x/net/http2"
)

// aloneForLong makes calls one after the other, until one that takes long is served in their
// place, on the goroutine of the connection.
func aloneForLong(t *testing.T, server *running, c *client) (stream uint32) {
	t.Helper()
	for range 20 {
		if r := c.reply(c.post("/v2/greet", "")); r.status != "200" {
			t.Fatal(r)
		}
	}
	stream = c.post("/v2/slow", "")
	receive(t, "the slow call", server.calls.begun)
	return stream
}

// A call that is alone for once, and then takes long, holds up no other.
func TestLoneCallHoldsUpNothing(t *testing.T) {
	t.Parallel()
	server := start(t)
	c := dial(t, server.address)
	slow := aloneForLong(t, server, c)
	for range 3 { // and it goes on: these become alone in their turn, as far as they can
		c.wantAlive()
		if r := c.reply(c.post("/v2/greet", "")); r.status != "200" {
			t.Fatal(r)
		}
	}
	server.calls.release()
	if r := c.reply(slow); r.status != "200" {
		t.Error(r)
	}
	c.wantAlive()
}

// A lone call can be given up, by the client and by the server.
func TestLoneCallGivenUp(t *testing.T) {
	t.Parallel()
	for name, giveUp := range map[string]func(*client, *running, uint32) error{
		"reset":  func(c *client, _ *running, stream uint32) error { return c.WriteRSTStream(stream, http2.ErrCodeCancel) },
		"closed": func(c *client, _ *running, _ uint32) error { return c.conn.Close() },
		"cut":    func(_ *client, server *running, _ uint32) error { return server.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := start(t)
			c := dial(t, server.address)
			stream := aloneForLong(t, server, c)
			if err := giveUp(c, server, stream); err != nil {
				t.Fatal(err)
			}
			if name == "closed" {
				server.calls.release() // who has closed its side may still read
			}
			if err := receive(t, "the end of the call", server.calls.ended); !errors.Is(err, context.Canceled) && name != "closed" {
				t.Errorf("it ends with %v", err)
			}
		})
	}
}

// A drain waits for a lone call.
func TestLoneCallAtADrain(t *testing.T) {
	t.Parallel()
	server := start(t)
	c := dial(t, server.address)
	stream := aloneForLong(t, server, c)
	result := server.shutdown(t)
	c.until("a GOAWAY", func() bool { return len(c.goAways) > 0 })
	server.calls.release()
	if r := c.reply(stream); r.status != "200" {
		t.Error(r)
	}
	if err := receive(t, "Shutdown", result); err != nil {
		t.Error(err)
	}
}
