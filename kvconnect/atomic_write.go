package kvconnect

import (
	"net/http"

	"github.com/kvconnect/kvconnect/protocol"
)

// serveAtomicWrite serves "KV Connect, Data Path Protocol, Atomic Write Request".
func (s *Server) serveAtomicWrite(w http.ResponseWriter, r *http.Request) error {
	return serveCall(s, w, r, call[protocol.AtomicWrite, protocol.AtomicWriteOutput]{
		name:         "atomic write",
		maxBodyBytes: protocol.MaxAtomicWriteBodyBytes,
		decode:       protocol.DecodeAtomicWrite,
		perform:      s.options.Backend.AtomicWrite,
	})
}
