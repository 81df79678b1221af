package service_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/service"
)

// pipeListener gives one connection, an end of a pipe.
type pipeListener struct{ conns chan net.Conn }

func newPipeListener(conn net.Conn) *pipeListener {
	l := &pipeListener{make(chan net.Conn, 1)}
	l.conns <- conn
	return l
}

func (l *pipeListener) Accept() (net.Conn, error) {
	if conn, ok := <-l.conns; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

func (l *pipeListener) Close() error {
	close(l.conns)
	return nil
}

// Whoever comes to the port for certificate authorities may not stay.
func TestChallengeConnectionsEnd(t *testing.T) {
	t.Parallel()
	for name, sent := range map[string]string{
		"no body":        "GET / HTTP/1.1\r\nHost: kv.test\r\n\r\n",
		"half a body":    "POST / HTTP/1.1\r\nHost: kv.test\r\nContent-Length: 9\r\n\r\nhalf",
		"half a header":  "GET / HTTP/1.1\r\nHo",
		"a second begun": "GET / HTTP/1.1\r\nHost: kv.test\r\n\r\nGET",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client, conn := net.Pipe()
				listener := newPipeListener(conn)
				server := service.NewChallengeServer(http.NotFoundHandler(), slog.New(slog.DiscardHandler))
				served := make(chan error, 1)
				go func() { served <- server.Serve(listener) }()
				go func() { _, _ = io.WriteString(client, sent) }() // what is not taken shows
				began := time.Now()
				_, err := io.Copy(io.Discard, client)
				if took := time.Since(began); err != nil || took > 20*time.Second {
					t.Errorf("it took %v, %v", took, err)
				}
				_ = client.Close()
				_ = server.Close()
				if err := <-served; !errors.Is(err, http.ErrServerClosed) {
					t.Error(err)
				}
			})
		})
	}
}

// A stop does not wait for an operator who has a profile made.
func TestStopEndsProfiles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, conn := net.Pipe()
		listener := newPipeListener(conn)
		begun := make(chan struct{})
		server := service.NewAdminServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(begun)
			<-r.Context().Done()
		}), slog.New(slog.DiscardHandler))
		served := make(chan error, 1)
		go func() { served <- server.Serve(listener) }()
		go func() {
			_, _ = io.Copy(client, strings.NewReader("GET /debug/pprof/profile?seconds=3600 HTTP/1.1\r\nHost: localhost\r\n\r\n"))
			_, _ = io.Copy(io.Discard, client)
		}()
		<-begun
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		_ = client.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}
