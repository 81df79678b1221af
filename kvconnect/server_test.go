package kvconnect_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/conformance"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/sqlitebackend"
	"github.com/kvconnect/kvconnect/transport"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const accessToken = "test-access-token"

// liveServer is a server on a port of this machine.
type liveServer struct {
	server  *kvconnect.Server
	backend kvconnect.Backend
	options setup
	http    carrier
	url     string
	client  *http.Client
}

// carrier is what carries the calls of clients.
type carrier interface {
	Serve(listener net.Listener) error
	Shutdown(ctx context.Context) error
	Close() error
}

// start starts a server over a new database, as kvconnect serve does. change may set what
// it serves.
func start(t *testing.T, change func(*setup)) *liveServer {
	t.Helper()
	return startOn(t, func(server *kvconnect.Server, o kvconnect.Options) carrier {
		return transport.New(kvconnect.NewHTTPServer(server, o.Logger), server, transport.Options{
			Logger: o.Logger, BodyTimeout: o.BodyTimeout, StallTimeout: o.StallTimeout,
		})
	}, change)
}

// startStd is start with net/http for everything.
func startStd(t *testing.T, change func(*setup)) *liveServer {
	t.Helper()
	return startOn(t, func(server *kvconnect.Server, o kvconnect.Options) carrier {
		return kvconnect.NewHTTPServer(server, o.Logger)
	}, change)
}

func startOn(
	t *testing.T, newCarrier func(*kvconnect.Server, kvconnect.Options) carrier, change func(*setup),
) *liveServer {
	t.Helper()
	backend, err := sqlitebackend.Open(sqlitebackend.Options{Path: filepath.Join(t.TempDir(), "kv.sqlite")})
	if err != nil {
		t.Fatal(err)
	}
	options := newSetup(backend.DatabaseID(), backend)
	server := options.newServer(change)
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &liveServer{
		server: server, backend: options.backend, options: *options,
		http:   newCarrier(server, options.Options),
		url:    "http://" + listener.Addr().String(),
		client: &http.Client{Transport: &http.Transport{}},
	}
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(listener) }()
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		if err := s.http.Close(); err != nil {
			t.Errorf("close the server: %v", err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
		if err := backend.Close(); err != nil {
			t.Errorf("close the backend: %v", err)
		}
	})
	return s
}

// way is one to reach a server.
type way struct {
	starts func(t *testing.T, change func(*setup)) *liveServer
	http2  bool
}

// ways are all there are.
func ways() map[string]way {
	return map[string]way{
		"HTTP1":          {start, false},
		"HTTP2":          {start, true},
		"HTTP1 net/http": {startStd, false},
		"HTTP2 net/http": {startStd, true},
	}
}

func (w way) start(t *testing.T, change func(*setup)) *liveServer {
	t.Helper()
	s := w.starts(t, change)
	if w.http2 {
		var protocols http.Protocols
		protocols.SetUnencryptedHTTP2(true)
		s.client = &http.Client{Transport: &http.Transport{Protocols: &protocols}}
	}
	return s
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*testing.T, func(*setup)) *liveServer{
		"loop": start, "net/http": startStd,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conformance.RunHTTP(t, start(t, asIs).url, accessToken)
		})
	}
}

// response is a reply, read whole.
type response struct {
	status int
	header http.Header
	body   string
}

func (s *liveServer) do(t *testing.T, method, path string, header http.Header, body io.Reader) response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		request.Header = header
	}
	if host := header.Get("Host"); host != "" {
		request.Host = host
	}
	reply, err := s.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := reply.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return response{reply.StatusCode, reply.Header, string(data)}
}

// metadata is the reply of the metadata exchange.
type metadata struct {
	DatabaseID string `json:"databaseId"`
	Endpoints  []struct {
		URL string `json:"url"`
	} `json:"endpoints"`
	Token string `json:"token"`
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

func (s *liveServer) metadata(t *testing.T, path string, header http.Header) metadata {
	t.Helper()
	header.Set("Authorization", "Bearer "+accessToken)
	return s.exchange(t, path, header)
}

// issue gives a data path token for an access token.
func (s *liveServer) issue(t *testing.T, accessToken string) string {
	t.Helper()
	return s.exchange(t, "/", bearer(accessToken)).Token
}

func (s *liveServer) exchange(t *testing.T, path string, header http.Header) metadata {
	t.Helper()
	reply := s.do(t, http.MethodPost, path, header, strings.NewReader(`{"supportedVersions":[1,2,3]}`))
	if reply.status != http.StatusOK {
		t.Fatalf("metadata exchange: status %d: %s", reply.status, reply.body)
	}
	var m metadata
	if err := json.Unmarshal([]byte(reply.body), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// dataPathHeader gives headers with which a data path call is in order.
func (s *liveServer) dataPathHeader(t *testing.T) http.Header {
	t.Helper()
	return callHeader(s.metadata(t, "/", http.Header{}).Token, s.options.databaseID)
}

// callHeader gives the headers of a data path call.
func callHeader(dataPathToken string, databaseID uuid.UUID) http.Header {
	header := bearer(dataPathToken)
	header.Set("X-Denokv-Version", "3")
	header.Set("X-Denokv-Database-Id", databaseID.String())
	return header
}

func (s *liveServer) call(t *testing.T, method string, body []byte) response {
	t.Helper()
	return s.do(t, http.MethodPost, "/v2/"+method, s.dataPathHeader(t), bytes.NewReader(body))
}
