package service

import (
	"context"
	"fmt"
	"log/slog"
	"net"

	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/transport"
)

// Transport says what carries the calls of clients.
type Transport string

const (
	// TransportLoop serves the data path over HTTP/2 on package transport's own loop.
	TransportLoop Transport = "loop"
	// TransportStd serves everything by net/http.
	TransportStd Transport = "std"
)

// Validate fails unless the transport is one of those above.
func (t Transport) Validate() error {
	if t != TransportLoop && t != TransportStd {
		return fmt.Errorf("transport is one of %s and %s, not %q", TransportLoop, TransportStd, string(t))
	}
	return nil
}

// carrier serves the clients of a listener.
type carrier interface {
	Serve(listener net.Listener) error
	Shutdown(ctx context.Context) error
	Close() error
}

// countingCarrier knows of its connections.
type countingCarrier interface {
	carrier
	Stats() transport.Stats
}

func newCarrier(t Transport, server *kvconnect.Server, logger *slog.Logger) countingCarrier {
	httpServer := kvconnect.NewHTTPServer(server, logger)
	if t == TransportStd {
		httpServer.ErrorLog = slog.NewLogLogger(quietHandshakes{logger.Handler()}, slog.LevelWarn)
		return newStdCarrier(httpServer)
	}
	return transport.New(httpServer, server, transport.Options{
		Logger: logger, BodyTimeout: protocol.BodyTimeout, StallTimeout: protocol.StallTimeout,
	})
}
