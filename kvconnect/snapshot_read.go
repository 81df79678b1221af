package kvconnect

import (
	"net/http"

	"github.com/kvconnect/kvconnect/protocol"
)

// serveSnapshotRead serves "KV Connect, Data Path Protocol, Snapshot Read
// Request".
func (s *Server) serveSnapshotRead(w http.ResponseWriter, r *http.Request) error {
	return serveCall(s, w, r, call[protocol.SnapshotRead, protocol.SnapshotReadOutput]{
		name:         "snapshot read",
		maxBodyBytes: protocol.MaxSnapshotReadBodyBytes,
		decode:       protocol.DecodeSnapshotRead,
		perform:      s.options.Backend.SnapshotRead,
	})
}
