package conformance

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/protocol"
)

// runSlowServer runs the history cases over HTTP, with a server between that takes
// its time before and after it asks the backend, so that other calls come in
// between where they hardly ever do.
func runSlowServer(t *testing.T, backend kvconnect.Backend) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	id := uuid.New()
	handler := kvconnect.New(kvconnect.Options{
		Databases: kvconnect.OneDatabase(id, slowBackend{backend}),
		Auth:      openDoor{&access.Grant{TokenID: "any", DatabaseID: id, Scope: access.ScopeWrite}},
	})
	server := kvconnect.NewHTTPServer(handler, slog.New(slog.DiscardHandler))
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("close the server: %v", err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	})
	for name, newClient := range httpClients {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := newClient()
			t.Cleanup(client.CloseIdleConnections)
			database, err := openHTTP(t.Context(), client, "http://"+listener.Addr().String(), "any")
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range historyCases {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					if err := runCase(t, c, database); err != nil {
						t.Error(err)
					}
				})
			}
		})
	}
}

// openDoor lets everybody in.
type openDoor struct{ grant *access.Grant }

func (d openDoor) Authorize(context.Context, string, string) (*access.Grant, error) {
	return d.grant, nil
}

func (openDoor) IssueDataPathToken(*access.Grant) (token string, expiresAt time.Time, err error) {
	return "any", time.Now().Add(time.Hour), nil
}

func (d openDoor) VerifyDataPathToken(string) (*access.Grant, error) { return d.grant, nil }

// slowBackend takes its time before and after each call.
type slowBackend struct{ kvconnect.Backend }

func (b slowBackend) SnapshotRead(ctx context.Context, read protocol.SnapshotRead) (protocol.SnapshotReadOutput, error) {
	linger()
	defer linger()
	return b.Backend.SnapshotRead(ctx, read)
}

func (b slowBackend) AtomicWrite(ctx context.Context, write protocol.AtomicWrite) (protocol.AtomicWriteOutput, error) {
	linger()
	defer linger()
	return b.Backend.AtomicWrite(ctx, write)
}

func (b slowBackend) Watch(watch protocol.Watch, changed func()) (protocol.Watcher, error) {
	linger()
	defer linger()
	watcher, err := b.Backend.Watch(watch, changed)
	if err != nil {
		return nil, err
	}
	return slowWatcher{watcher}, nil
}

type slowWatcher struct{ protocol.Watcher }

func (w slowWatcher) State(ctx context.Context) (protocol.WatchOutput, error) {
	linger()
	defer linger()
	return w.Watcher.State(ctx)
}

// linger takes some milliseconds at times.
func linger() {
	if rand.IntN(3) == 0 { //nolint:gosec // no secret
		<-time.After(rand.N(4 * time.Millisecond)) //nolint:gosec // no secret
	}
}
