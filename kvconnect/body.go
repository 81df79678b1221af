package kvconnect

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/transport"
)

// readBody reads at most maxBytes. A body that says it is longer is not read at
// all. Each body has memory of its own, which what is decoded from it shares. An
// error is one of those of package transport.
func readBody(w http.ResponseWriter, r *http.Request, maxBytes int64) ([]byte, error) {
	if r.ContentLength > maxBytes {
		return nil, transport.ErrBodyTooLarge
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
		return nil, transport.ErrBodyTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, transport.ErrBodyTimeout
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, errBodyTooShort
	default:
		return nil, transport.ErrBodyIncomplete
	}
}

// errBodyTooShort is the transport.ErrBodyIncomplete of which is known why.
var errBodyTooShort = fmt.Errorf("%w: it is shorter than its Content-Length", transport.ErrBodyIncomplete)

// bodyError is what a client is told of a body that is not there.
func bodyError(err error, maxBytes int64) error {
	switch {
	case errors.Is(err, transport.ErrBodyTooLarge):
		return fmt.Errorf("%w: at most %d bytes", protocol.ErrBodyTooLarge, maxBytes)
	case errors.Is(err, transport.ErrBodyTimeout):
		return protocol.ErrBodyTimeout
	case errors.Is(err, errBodyTooShort):
		return fmt.Errorf("%w: it is shorter than its Content-Length", protocol.ErrMalformedRequest)
	default:
		return fmt.Errorf("%w: it did not arrive whole", protocol.ErrMalformedRequest)
	}
}

// setReadDeadline bounds how long the body may take; the zero time lifts the
// bound. Both versions of HTTP can do it, so there is no error to tell of.
func setReadDeadline(w http.ResponseWriter, at time.Time) {
	_ = http.NewResponseController(w).SetReadDeadline(at)
}
