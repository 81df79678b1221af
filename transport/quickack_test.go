package transport_test

import (
	"net"
	"runtime"
	"testing"
	"time"
)

// A client that holds back a small request until what it sent before is acknowledged, as Deno
// does, does not wait for that: not even after a frame that has no answer.
func TestNothingIsAcknowledgedLate(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux can be asked to acknowledge at once")
	}
	const calls, late = 100, 40 * time.Millisecond // what Linux puts an acknowledgement off for
	c := dial(t, start(t).address)
	tcp, ok := c.conn.(*net.TCPConn)
	if !ok {
		t.Fatalf("%T", c.conn)
	}
	if err := tcp.SetNoDelay(false); err != nil {
		t.Fatal(err)
	}
	prompt := 0
	for range calls {
		begun := time.Now()
		c.must(c.grant(0, 1))
		c.reply(c.get(post("/v2/hello")...))
		if time.Since(begun) < late/2 {
			prompt++
		}
	}
	if prompt < calls/5 { // the others may have had to wait for the machine
		t.Errorf("%d of %d calls were answered at once", prompt, calls)
	}
}
