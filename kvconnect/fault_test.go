package kvconnect_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/protocol"
)

// failingAuthenticator fails to check access tokens.
type failingAuthenticator struct {
	kvconnect.Authenticator
	err error
}

func (a failingAuthenticator) Authorize(context.Context, string, string) (*access.Grant, error) {
	return nil, fmt.Errorf("at the provider: %w", a.err)
}

// Who has no token cannot fill the log while the keys of the identity provider are missing.
func TestOutageOfTheProviderIsNotLoggedForEachToken(t *testing.T) {
	t.Parallel()
	for err, wantLog := range map[error]bool{protocol.ErrNoIdentityKeys: false, protocol.ErrUnavailable: true} {
		log := &safeBuffer{}
		server, _ := memoryServer(func(o *setup) {
			o.Auth = failingAuthenticator{o.auth, err}
			o.Logger = slog.New(slog.NewTextHandler(log, nil))
		})
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		request.Header = bearer("eyJ.e30.AA")
		recorder := httptest.NewRecorder()
		server.ServeHTTP(recorder, request)
		if recorder.Code != http.StatusServiceUnavailable || (log.String() != "") != wantLog {
			t.Errorf("%v: status %d, log %q", err, recorder.Code, log.String())
		}
	}
}
