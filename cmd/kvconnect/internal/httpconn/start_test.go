package httpconn_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/httpconn"
)

// Calls that nobody waits for are told of their ends, each once.
func TestStart(t *testing.T) {
	t.Parallel()
	u := startServer(t, echo, nil)
	for version, v := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			conn := dial(t, u, v, patience)
			calls := make([]httpconn.Call, 50)
			ends := make(chan error, 2*len(calls))
			for i := range calls {
				call := &calls[i]
				call.Route, call.Body = route("/"), fmt.Append(nil, i)
				err := conn.Start(t.Context(), call, func(err error) {
					ends <- errors.Join(err, wantEcho(u, call))
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			for range calls {
				if err := <-ends; err != nil {
					t.Error(err)
				}
			}
			conn.Close()
			if len(ends) > 0 {
				t.Errorf("%d more ends", len(ends))
			}
		})
	}
}

// A call that was started outlives the context of Start and ends with the connection.
func TestStartedStream(t *testing.T) {
	t.Parallel()
	u := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "first")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}, nil)
	for version, v := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			conn := dial(t, u, v, patience)
			ctx, cancel := context.WithCancel(t.Context())
			begun, ended := make(chan struct{}, 10), make(chan error, 2)
			call := httpconn.Call{Route: route("/"), OnData: func([]byte) { begun <- struct{}{} }}
			if err := conn.Start(ctx, &call, func(err error) { ended <- err }); err != nil {
				t.Fatal(err)
			}
			cancel()
			<-begun
			if len(ended) > 0 {
				t.Error("the call has ended with the context")
			}
			conn.Close()
			if err := <-ended; !errors.Is(err, httpconn.ErrLost) {
				t.Errorf("the call ended with %v", err)
			}
			if len(ended) > 0 {
				t.Error("the call has ended twice")
			}
		})
	}
}

// What Start refuses has no end.
func TestStartThatIsRefused(t *testing.T) {
	t.Parallel()
	u := startServer(t, echo, nil)
	for version, v := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			conn := dial(t, u, v, patience)
			onEnd := func(err error) { t.Errorf("the call ended with %v", err) }
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			call := httpconn.Call{Route: route("/")}
			if err := conn.Start(ended, &call, onEnd); !errors.Is(err, context.Canceled) {
				t.Errorf("with a context that has ended: %v", err)
			}
			conn.Close()
			if err := conn.Start(t.Context(), &call, onEnd); !errors.Is(err, httpconn.ErrLost) {
				t.Errorf("on a connection that is closed: %v", err)
			}
		})
	}
}
