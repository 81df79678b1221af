package transport

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// refusal says why a connection is not let in.
type refusal int

const (
	refusedNot refusal = iota
	refusedAll
	refusedAddress
)

func (r refusal) String() string {
	switch r {
	case refusedAll:
		return "the maximum of connections is open"
	case refusedAddress:
		return "the maximum of connections of one address is open"
	case refusedNot:
	}
	return "none"
}

const (
	// maxRefusing is how many clients are told at once why they are refused. In a flood
	// the others must not cost more than the connection itself.
	maxRefusing = 64

	// refusalTimeout is how long that may take.
	refusalTimeout = time.Second

	// maxRefusedBytes is how much of its request a refused client may send meanwhile: what
	// arrives at a closed connection would take the answer back.
	maxRefusedBytes = 16 << 10

	// refusalRetryAfterSeconds is when to come again. Places are free as soon as somebody
	// leaves.
	refusalRetryAfterSeconds = 5
)

// tell answers the first request in the client's own protocol with a 503, which programs and
// proxies take for what it is. Deno makes calls again by itself after it, as it does
// when a connection merely ends, and shows the text to the user. What speaks TLS cannot be
// told anything before a handshake.
func (r refusal) tell(conn net.Conn) {
	const preface = http2.ClientPreface
	first := make([]byte, 3) // as many as no method of HTTP/1.1 has in common with the preface
	if _, err := io.ReadFull(conn, first); err != nil {
		return
	}
	var err error
	switch {
	case strings.HasPrefix(preface, string(first)):
		_, err = io.CopyN(io.Discard, conn, int64(len(preface)-len(first)))
		if err == nil {
			err = r.tellHTTP2(conn)
		}
	case 'A' <= first[0] && first[0] <= 'Z':
		_, err = io.WriteString(conn, r.http1())
	default:
		return
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok && err == nil && half.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, conn, maxRefusedBytes) // until the client leaves, too
	}
}

// text is the body of the reply.
func (r refusal) text() string {
	return r.String() + ": try again later, or ask the operator of the server to raise it\n"
}

// fields are those of the reply.
func (r refusal) fields() []Field {
	return []Field{
		{"content-type", "text/plain; charset=utf-8"},
		{"content-length", strconv.Itoa(len(r.text()))},
		{"retry-after", strconv.Itoa(refusalRetryAfterSeconds)},
	}
}

// http1 gives the reply to a request of HTTP/1.1.
func (r refusal) http1() string {
	var reply strings.Builder
	fmt.Fprintf(&reply, "HTTP/1.1 %d %s\r\n", http.StatusServiceUnavailable, http.StatusText(http.StatusServiceUnavailable))
	for _, field := range append(r.fields(), Field{"connection", "close"}) {
		fmt.Fprintf(&reply, "%s: %s\r\n", field.Name, field.Value)
	}
	return reply.String() + "\r\n" + r.text()
}

// tellHTTP2 replies to the first request, and says that the others were not looked at.
func (r refusal) tellHTTP2(conn net.Conn) error {
	framer := http2.NewFramer(conn, io.LimitReader(conn, maxRefusedBytes))
	if err := framer.WriteSettings(); err != nil {
		return err
	}
	stream, err := firstRequest(framer)
	if err != nil {
		return err
	}
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, field := range append([]Field{{":status", strconv.Itoa(http.StatusServiceUnavailable)}}, r.fields()...) {
		if err := encoder.WriteField(hpack.HeaderField{Name: field.Name, Value: field.Value}); err != nil {
			return err
		}
	}
	return errors.Join(
		framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true}),
		framer.WriteData(stream, true, []byte(r.text())),
		framer.WriteGoAway(stream, http2.ErrCodeNo, []byte(r.String())),
	)
}

// firstRequest waits for a request whose header is there, and gives its stream. What it says
// does not matter. The settings before it are acknowledged, for which some clients wait.
func firstRequest(framer *http2.Framer) (stream uint32, err error) {
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return 0, err
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				err = framer.WriteSettingsAck()
			}
		case *http2.HeadersFrame:
			if frame.HeadersEnded() {
				return frame.StreamID, nil
			}
			stream = frame.StreamID
		case *http2.ContinuationFrame:
			if frame.HeadersEnded() {
				return stream, nil
			}
		}
		if err != nil {
			return 0, err
		}
	}
}
