package conformance

import (
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
)

// The HTTP/2 client of Node speaks the data path itself: it cancels, pads, pings, sends
// in pieces and takes replies in pieces, and lives to see the server stop.
func TestNodeHTTP2(t *testing.T) {
	t.Parallel()
	needClients(t)
	overTransports(t, runNodeHTTP2)
}

func runNodeHTTP2(t *testing.T, over transportKind) {
	server := serverOptions{transport: over}.start(t)
	dialog{"@stop": func() string {
		server.terminate(t)
		return "stopping"
	}}.run(t, server.target(), "node", "--import", "tsx", "http2.ts")
	server.awaitStop(t)

	server = server.restart(t)
	client := httpClients["HTTP2"]()
	t.Cleanup(client.CloseIdleConnections)
	db, err := openHTTP(t.Context(), client, server.url, processToken)
	if err != nil {
		t.Fatal(err)
	}
	key := []byte("in flight")
	output, err := db.snapshotRead(t.Context(), protocol.SnapshotRead{
		Ranges: []protocol.ReadRange{{Start: key, End: append(key, 0), Limit: 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if found := output.Ranges[0]; len(found) != 1 || len(found[0].Value.Data) != 60_000 {
		t.Errorf("the write that was on its way when the server stopped left %d entries", len(found))
	}
}
