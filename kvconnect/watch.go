package kvconnect

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
)

// serveWatch serves "KV Connect, Data Path Protocol, Watch Request": a stream of
// frames, the first at once. It ends when the client leaves or the server drains,
// never by itself, because clients wait longer each time before they come back.
func (s *Server) serveWatch(w http.ResponseWriter, r *http.Request) error {
	const op = "watch"
	body, err := s.dataPathBody(w, r, protocol.MaxWatchBodyBytes)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	watch, err := protocol.DecodeWatch(body)
	if err != nil {
		return err
	}
	watcher, err := s.options.Backend.Watch(watch)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	defer watcher.Close()
	// The first state is read before the reply begins, while an error can still
	// have a status.
	state, err := watcher.State(r.Context())
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would hold frames back
	w.WriteHeader(http.StatusOK)
	stream := &watchStream{w: w, control: http.NewResponseController(w)}
	s.watches.add(stream)
	defer s.watches.remove(stream)
	if err := s.streamWatch(r, watcher, state, stream); err != nil {
		s.options.Logger.Error("watch ended", "error", err)
	}
	return nil
}

// streamWatch sends a frame for the first state and for each that differs from
// the one before. It gives an error only for a fault of the server.
func (s *Server) streamWatch(r *http.Request, watcher protocol.Watcher, state protocol.WatchOutput, stream *watchStream) error {
	if err := stream.sendState(state); err != nil {
		return err
	}
	// The values are not kept while the watch is quiet, which most are.
	sent := state.Versionstamps()
	keepAlive := time.NewTimer(s.options.WatchKeepAlive)
	defer keepAlive.Stop()
	for !stream.clientGone {
		select {
		case <-watcher.Changed():
			next, err := watcher.State(r.Context())
			switch {
			case r.Context().Err() != nil, errors.Is(err, protocol.ErrClosed):
				return nil
			case err != nil:
				return err
			}
			versionstamps := next.Versionstamps()
			if slices.Equal(versionstamps, sent) {
				continue // a token for what the last state held already
			}
			sent = versionstamps
			if err := stream.sendState(next); err != nil {
				return err
			}
		case <-keepAlive.C:
			stream.send(protocol.KeepAliveFrame())
		case <-r.Context().Done():
			return nil
		case <-s.draining:
			return nil
		}
		keepAlive.Reset(s.options.WatchKeepAlive)
	}
	return nil
}
