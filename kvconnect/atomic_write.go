package kvconnect

import (
	"fmt"
	"net/http"

	"github.com/kvconnect/kvconnect/protocol"
)

// serveAtomicWrite serves "KV Connect, Data Path Protocol, Atomic Write Request".
func (s *Server) serveAtomicWrite(w http.ResponseWriter, r *http.Request) error {
	const op = "atomic write"
	body, err := s.dataPathBody(w, r, protocol.MaxAtomicWriteBodyBytes)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	write, err := protocol.DecodeAtomicWrite(body)
	if err != nil {
		return err
	}
	output, err := s.options.Backend.AtomicWrite(r.Context(), write)
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
