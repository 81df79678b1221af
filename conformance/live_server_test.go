package conformance

import "testing"

// A server in a process of its own, as it is run, passes all cases.
func TestLiveServer(t *testing.T) {
	t.Parallel()
	overTransports(t, func(t *testing.T, over transportKind) {
		RunHTTP(t, serverOptions{transport: over}.start(t).url, processToken)
	})
}
