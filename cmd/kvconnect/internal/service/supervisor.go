package service

import (
	"errors"
	"log/slog"
	"net"
	"strings"
)

// supervisor is told how far the server is, as systemd wants it (sd_notify(3)): by datagrams
// to a socket, each with lines of KEY=VALUE. It is none if the socket is "".
type supervisor struct {
	socket string
	logger *slog.Logger
}

// ready tells that the server listens.
func (s supervisor) ready(status string) { s.tell("READY=1", "STATUS="+status) }

// stopping tells that the server drains.
func (s supervisor) stopping(status string) { s.tell("STOPPING=1", "STATUS="+status) }

// tell does not fail: a server that nobody hears of can still serve. The log says so, as
// whoever waits for the word will stop the server.
func (s supervisor) tell(lines ...string) {
	if s.socket == "" {
		return
	}
	// A name that begins with @ is in the abstract namespace, for systemd and for net alike.
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: s.socket, Net: "unixgram"})
	if err == nil {
		_, err = conn.Write([]byte(strings.Join(lines, "\n")))
		err = errors.Join(err, conn.Close())
	}
	if err != nil {
		s.logger.Warn("the service manager could not be told", "notify_socket", s.socket, "error", err)
	}
}
