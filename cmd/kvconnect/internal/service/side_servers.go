package service

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/protocol"
)

// challengeTimeout is what a request of a certificate authority may take, and its reply.
const challengeTimeout = 10 * time.Second

// newChallengeServer gives what answers authorities over plain HTTP. The port is there for
// everybody, so no connection outlives its request, and a request has an end.
func newChallengeServer(handler http.Handler, logger *slog.Logger) *http.Server {
	server := kvconnect.NewHTTPServer(handler, logger)
	server.ReadTimeout, server.WriteTimeout = challengeTimeout, challengeTimeout
	server.SetKeepAlivesEnabled(false)
	return server
}

// newAdminServer gives what answers operators. A stop ends the contexts of their requests: it
// must not wait for a profile of half an hour. Operations go on to their end.
func newAdminServer(handler http.Handler, logger *slog.Logger) *http.Server {
	server := kvconnect.NewHTTPServer(handler, logger)
	server.ReadTimeout = protocol.BodyTimeout
	serving, end := context.WithCancel(context.Background())
	server.BaseContext = func(net.Listener) context.Context { return serving }
	server.RegisterOnShutdown(end)
	return server
}
