package kvconnect

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/protocol"
)

// Headers of the data path ("KV Connect, Data Path Protocol").
const (
	headerVersion      = "X-Denokv-Version"
	headerDatabaseID   = "X-Denokv-Database-Id"
	headerDatabaseIDV1 = "X-Transaction-Domain-Id" // of version 1, which has no header for the version
)

const contentTypeProtobuf = "application/x-protobuf"

// dataPathBody does what all calls of the data path begin with: it checks the
// token, the version and the database, and gives the body. The content type is
// not looked at, because kv-connect-kit sends none.
func (s *Server) dataPathBody(w http.ResponseWriter, r *http.Request, maxBytes int64) ([]byte, error) {
	token, err := bearerToken(r)
	if err != nil {
		return nil, err
	}
	// The token comes first: who has none learns nothing else.
	if err := s.options.Auth.VerifyDataPathToken(token, s.options.DatabaseID); err != nil {
		return nil, err
	}
	id, err := requestedDatabase(r.Header)
	if err != nil {
		return nil, err
	}
	if id != s.options.DatabaseID {
		return nil, protocol.ErrUnknownDatabase
	}
	return readBody(w, r, maxBytes)
}

// requestedDatabase gives the database that a data path call names, in the way
// of the version it is made in.
func requestedDatabase(header http.Header) (uuid.UUID, error) {
	name := headerDatabaseID
	switch version := header.Get(headerVersion); version {
	case "2", "3":
	case "", "1":
		name = headerDatabaseIDV1
		if header.Get(name) == "" {
			return uuid.UUID{}, fmt.Errorf("%w: send the one from the metadata exchange in %s",
				protocol.ErrProtocolVersion, strings.ToLower(headerVersion))
		}
	default:
		return uuid.UUID{}, fmt.Errorf("%w, not %q", protocol.ErrProtocolVersion, version)
	}
	id, err := uuid.Parse(header.Get(name))
	if err != nil {
		return uuid.UUID{}, protocol.ErrInvalidDatabaseID
	}
	return id, nil
}

// bearerToken gives the token of a request.
func bearerToken(r *http.Request) (string, error) {
	scheme, token, found := strings.Cut(r.Header.Get("Authorization"), " ")
	if !found || !strings.EqualFold(scheme, "bearer") || token == "" {
		return "", protocol.ErrUnauthenticated
	}
	return token, nil
}

// readBody reads at most maxBytes. A body that says it is longer is not read at
// all. Each body has memory of its own, which what is decoded from it shares.
func readBody(w http.ResponseWriter, r *http.Request, maxBytes int64) ([]byte, error) {
	errTooLarge := fmt.Errorf("%w: at most %d bytes", protocol.ErrBodyTooLarge, maxBytes)
	if r.ContentLength > maxBytes {
		return nil, errTooLarge
	}
	var body bytes.Buffer
	if r.ContentLength > 0 {
		// One byte more than needed, or the buffer grows to find the end.
		body.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, maxBytes))
	if err == nil {
		setReadDeadline(w, time.Time{}) // or a watch would end by it
		return body.Bytes(), nil
	}
	var maxBytesError *http.MaxBytesError
	switch {
	case errors.As(err, &maxBytesError):
		return nil, errTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, protocol.ErrBodyTimeout
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, fmt.Errorf("%w: it is shorter than its Content-Length", protocol.ErrMalformedRequest)
	default:
		return nil, fmt.Errorf("%w: it did not arrive whole", protocol.ErrMalformedRequest)
	}
}
