package kvconnect

import (
	"fmt"
	"net/http"

	"github.com/kvconnect/kvconnect/protocol"
)

// serveSnapshotRead serves "KV Connect, Data Path Protocol, Snapshot Read
// Request".
func (s *Server) serveSnapshotRead(w http.ResponseWriter, r *http.Request) error {
	const op = "snapshot read"
	body, err := s.dataPathBody(w, r, protocol.MaxSnapshotReadBodyBytes)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	read, err := protocol.DecodeSnapshotRead(body)
	if err != nil {
		return err
	}
	output, err := s.options.Backend.SnapshotRead(r.Context(), read)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	reply, err := output.Encode()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", contentTypeProtobuf)
	writeBody(w, http.StatusOK, reply)
	return nil
}
