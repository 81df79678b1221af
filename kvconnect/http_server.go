package kvconnect

import (
	"log/slog"
	"net/http"
	"time"
)

const (
	// maxConcurrentStreams is out of reach on purpose. Deno carries everything
	// of a program on one connection on which each watch holds a stream; at the
	// limit every further call of the program would wait for ever.
	maxConcurrentStreams = 1 << 20

	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 3 * time.Minute
	maxHeaderBytes    = 32 << 10

	// These are those of package transport for net/http's own HTTP/2: the silence after which
	// a client is asked for a sign of life, the time that this may take, and the one for
	// the next bytes that are sent to it.
	pingAfter        = 30 * time.Second
	pingTimeout      = time.Minute
	writeByteTimeout = time.Minute
)

// NewHTTPServer gives a server that speaks HTTP/1.1 and, by prior knowledge,
// HTTP/2 on one port: Deno speaks nothing but the latter on http URLs, most
// others the former. There is no write timeout, because a watch has no end.
func NewHTTPServer(handler http.Handler, logger *slog.Logger) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:   handler,
		Protocols: &protocols,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxConcurrentStreams,
			SendPingTimeout:      pingAfter, PingTimeout: pingTimeout, WriteByteTimeout: writeByteTimeout,
		},
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}
