package conformance

import "testing"

// transportKind is what of the server takes the calls of the data path.
type transportKind string

const (
	transportLoop transportKind = "loop" // an HTTP/2 loop of its own
	transportStd  transportKind = "std"  // net/http
)

// args gives the arguments of serve that choose the transport.
func (k transportKind) args() []string { return []string{"--transport=" + string(k)} }

// overTransports runs a test for each of the transports, beside one another.
func overTransports(t *testing.T, test func(t *testing.T, over transportKind)) {
	t.Helper()
	for _, over := range []transportKind{transportLoop, transportStd} {
		t.Run(string(over), func(t *testing.T) {
			t.Parallel()
			test(t, over)
		})
	}
}
