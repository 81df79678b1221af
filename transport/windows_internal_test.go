package transport

import (
	"bytes"
	"errors"
	"testing"

	"golang.org/x/net/http2"
)

// No client can come that far from outside while bodies hold little, because what it has sent
// is returned at once.
func TestConnectionWindowViolated(t *testing.T) {
	t.Parallel()
	var wire bytes.Buffer
	framer := http2.NewFramer(&wire, &wire)
	if err := framer.WriteData(1, false, []byte("ab")); err != nil {
		t.Fatal(err)
	}
	frame, err := framer.ReadFrame()
	if err != nil {
		t.Fatal(err)
	}
	data, ok := frame.(*http2.DataFrame)
	if !ok {
		t.Fatalf("%T", frame)
	}
	c := &conn{windows: windows{receiveBytes: 1}}
	if err := c.receiveData(data); !errors.Is(err, http2.ConnectionError(http2.ErrCodeFlowControl)) {
		t.Errorf("%v, want FLOW_CONTROL_ERROR", err)
	}
}
