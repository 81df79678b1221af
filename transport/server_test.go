package transport_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/transport"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen, on a busy machine.
const patience = 20 * time.Second

// setup is what a test may change about a server before it starts.
type setup struct {
	http    *http.Server
	options transport.Options
	calls   *calls
	tls     *tls.Config // nil for none
	gate    *transport.Gate
}

// running is a server on a port of its own.
type running struct {
	*transport.Server
	address string
	calls   *calls
	served  chan error // takes what Serve gives
}

// start starts a server that ends with the test. Its bounds of time are out of the way
// of tests that are not about them.
func start(t testing.TB, changes ...func(*setup)) *running {
	t.Helper()
	logger := slog.New(noErrors{t: t, Handler: slog.DiscardHandler})
	s := setup{
		calls: newCalls(t),
		http: &http.Server{
			ReadHeaderTimeout: patience,
			IdleTimeout:       2 * patience,
			MaxHeaderBytes:    maxHeaderBytes,
			HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
			ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelWarn),
		},
		options: transport.Options{
			Logger: logger, BodyTimeout: patience, PingAfter: patience, PingTimeout: patience, WriteTimeout: patience,
		},
	}
	for _, change := range changes {
		change(&s)
	}
	if s.http.Handler == nil {
		s.http.Handler = rest(s.calls)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &running{
		Server: transport.New(s.http, s.calls, s.options), address: listener.Addr().String(),
		calls: s.calls, served: make(chan error, 1),
	}
	if s.gate != nil {
		listener = s.gate.Listen(listener)
	}
	if s.tls != nil {
		listener = tls.NewListener(listener, s.tls)
	}
	go func() { server.served <- server.Serve(listener) }()
	t.Cleanup(func() {
		s.calls.release()
		_ = server.Close() // a test may have closed it
		if err := <-server.served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve ended with %v", err)
		}
	})
	return server
}

// The limits of a server that start starts.
const (
	maxHeaderBytes = 16 << 10
	maxStreams     = 100
)

// noErrors is a slog.Handler that takes an error for a failure of the test: nothing that
// a client does is one of the server.
type noErrors struct {
	slog.Handler
	t testing.TB
}

func (h noErrors) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }

func (h noErrors) Handle(_ context.Context, record slog.Record) error {
	var text bytes.Buffer
	text.WriteString(record.Message)
	record.Attrs(func(attr slog.Attr) bool {
		text.WriteString(" " + attr.String())
		return true
	})
	h.t.Errorf("the server logs: %s", &text)
	return nil
}

func (h noErrors) WithAttrs([]slog.Attr) slog.Handler { return h }

func (h noErrors) WithGroup(string) slog.Handler { return h }
