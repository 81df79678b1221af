package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/net/http2"
)

// The pause after a connection that could not be accepted, because there are no file
// descriptors for example, grows from the one to the other.
const (
	minAcceptPause = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// accept takes connections until the listener is closed.
func (s *Server) accept(listener net.Listener, handed *handedListener) error {
	pause := minAcceptPause
	for {
		socket, err := listener.Accept()
		if err == nil {
			pause = minAcceptPause
			s.welcome(socket, handed)
			continue
		}
		if !s.isServing() {
			return http.ErrServerClosed
		}
		if temporary, ok := errors.AsType[interface {
			error
			Temporary() bool
		}](err); !ok || !temporary.Temporary() {
			return err
		}
		s.logger.Warn("connection not accepted", "error", err, "pause", pause.String())
		select {
		case <-time.After(pause):
		case <-s.dog.stopped:
		}
		pause = min(2*pause, maxAcceptPause)
	}
}

func (s *Server) isServing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stage == stageServing
}

// welcome starts the goroutine of a connection.
func (s *Server) welcome(socket net.Conn, handed *handedListener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stage != stageServing {
		_ = socket.Close()
		return
	}
	s.arriving[socket] = struct{}{}
	s.running.Go(func() { s.tell(socket, handed) })
}

// tell finds out which protocol a client speaks, and serves it.
func (s *Server) tell(socket net.Conn, handed *handedListener) {
	// An error of a deadline shows at the next read.
	_ = socket.SetReadDeadline(time.Now().Add(s.limits.readHeader))
	first, isHTTP2, err := s.protocolOf(socket)
	_ = socket.SetReadDeadline(time.Time{})
	var c *conn
	s.mu.Lock()
	delete(s.arriving, socket)
	if err == nil && isHTTP2 && s.stage == stageServing {
		c = newConn(s, socket)
		s.conns[c] = struct{}{}
	}
	s.mu.Unlock()
	switch {
	case c != nil:
		c.serve()
	case err != nil || isHTTP2:
		_ = socket.Close()
	case len(first) == 0: // TLS, which net/http wants to see
		handed.hand(socket)
	default:
		handed.hand(&begunConn{Conn: quickAck(socket), begun: first})
	}
}

// plainRefusal is what a client gets that does without TLS where it is spoken.
const plainRefusal = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" +
	"this server speaks TLS: use an https URL\n"

// refusePlain tells a client that has begun with HTTP in place of a handshake.
func refusePlain(err error) {
	plain, ok := errors.AsType[tls.RecordHeaderError](err)
	if !ok || plain.Conn == nil {
		return
	}
	method, _, _ := strings.Cut(string(plain.RecordHeader[:]), " ")
	if method != "" && !strings.ContainsFunc(method, func(r rune) bool { return r < 'A' || r > 'Z' }) {
		_, _ = io.WriteString(plain.Conn, plainRefusal) // the first that is sent: there is room for it
	}
}

// forget takes note that a connection has ended.
func (s *Server) forget(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	close(c.gone)
}

// errNotAgreed is of a client that speaks something else than it has agreed on.
var errNotAgreed = errors.New("the client does not speak HTTP/2, on which it has agreed")

// protocolOf tells whether a connection speaks HTTP/2, and gives what it has sent
// otherwise.
func (s *Server) protocolOf(socket net.Conn) (first []byte, isHTTP2 bool, err error) {
	secure, isTLS := socket.(*tls.Conn)
	if isTLS {
		ctx, cancel := context.WithTimeout(context.Background(), s.limits.readHeader)
		defer cancel()
		if err := secure.HandshakeContext(ctx); err != nil {
			// Anybody can cause it as often as they like.
			s.logger.Debug("tls handshake failed", "addr", socket.RemoteAddr().String(), "error", err)
			refusePlain(err)
			return nil, false, err
		}
		if secure.ConnectionState().NegotiatedProtocol != "h2" {
			return nil, false, nil
		}
	}
	preface := []byte(http2.ClientPreface)
	received := make([]byte, 0, len(preface))
	for len(received) < len(preface) {
		n, err := socket.Read(received[len(received):cap(received)])
		received = received[:len(received)+n]
		if !bytes.HasPrefix(preface, received) {
			if isTLS { // it has agreed on HTTP/2
				err = errNotAgreed
			}
			return received, false, err
		}
		if err != nil {
			return nil, false, err
		}
	}
	return nil, true, nil
}
