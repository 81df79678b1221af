package conformance

import (
	"strconv"
	"strings"
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
)

// unreadWrites and unreadBytes are more than the buffers of a connection of Deno hold,
// which are 5 MB.
const (
	unreadWrites = 300
	unreadBytes  = 60_000
)

// A program of Deno that opens watches and does not read them can make other calls all
// the same, although it carries everything on one connection.
func TestUnreadWatchesHoldNothingUp(t *testing.T) {
	t.Parallel()
	needClients(t)
	overTransports(t, runUnreadWatches)
}

func runUnreadWatches(t *testing.T, over transportKind) {
	if over == transportStd {
		t.Skip("net/http sends a watch as much as its stream takes: a few unread ones fill the window of the connection")
	}
	for _, reads := range []string{"never", "first"} {
		for _, watches := range []int{1, 8} {
			t.Run(reads+" read, "+strconv.Itoa(watches), func(t *testing.T) {
				t.Parallel()
				server := serverOptions{transport: over}.start(t)
				dialog{"@write": func() string {
					writeUnread(t, server)
					return "written"
				}}.run(t, server.target(), denoPath(t), "run", "-A", "unread_watch.ts", strconv.Itoa(watches), reads)
			})
		}
	}
}

// writeUnread writes the watched key of unread_watch.ts again and again.
func writeUnread(t *testing.T, server *process) {
	t.Helper()
	client := httpClients["HTTP1"]()
	defer client.CloseIdleConnections()
	db, err := openHTTP(t.Context(), client, server.url, processToken)
	if err != nil {
		t.Fatal(err)
	}
	key, err := protocol.Key{"watched"}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	value := text(strings.Repeat("x", unreadBytes))
	for n := range unreadWrites {
		if n == unreadWrites-1 {
			value = text("")
		}
		output, err := db.atomicWrite(t.Context(), protocol.AtomicWrite{Mutations: []protocol.Mutation{set(key, value)}})
		if err != nil || output.Status != protocol.AtomicWriteCommitted {
			t.Fatalf("write %d: %+v, %v", n, output, err)
		}
	}
}
