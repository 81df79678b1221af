package kvconnect

import (
	"context"
	"fmt"
	"net/http"
)

// call is a call of the data path that has one reply.
type call[Request any, Output interface{ Encode() ([]byte, error) }] struct {
	name         string // in errors
	maxBodyBytes int64
	decode       func(body []byte) (Request, error)
	perform      func(ctx context.Context, request Request) (Output, error)
}

func serveCall[Request any, Output interface{ Encode() ([]byte, error) }](
	s *Server, w http.ResponseWriter, r *http.Request, c call[Request, Output],
) error {
	body, err := s.dataPathBody(w, r, c.maxBodyBytes)
	if err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	request, err := c.decode(body)
	if err != nil {
		return err
	}
	output, err := c.perform(r.Context(), request)
	if err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	reply, err := output.Encode()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", contentTypeProtobuf)
	writeBody(w, http.StatusOK, reply)
	return nil
}
