package kvconnect_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/conformance"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/sqlitebackend"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const accessToken = "test-access-token"

// liveServer is a server on a port of this machine.
type liveServer struct {
	server  *kvconnect.Server
	backend kvconnect.Backend
	options kvconnect.Options
	http    *http.Server
	url     string
	client  *http.Client
}

// start starts a server over a new database. change may set what it serves.
func start(t *testing.T, change func(*kvconnect.Options)) *liveServer {
	t.Helper()
	backend, err := sqlitebackend.Open(sqlitebackend.Options{Path: filepath.Join(t.TempDir(), "kv.sqlite")})
	if err != nil {
		t.Fatal(err)
	}
	hash, err := auth.HashAccessToken(accessToken)
	if err != nil {
		t.Fatal(err)
	}
	options := kvconnect.Options{
		DatabaseID: backend.DatabaseID(), Backend: backend,
		Auth: auth.New(hash, auth.GenerateSecrets().SigningKey, nil),
	}
	change(&options)
	server := kvconnect.New(options)
	logger := options.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &liveServer{
		server: server, backend: options.Backend, options: options,
		http:   kvconnect.NewHTTPServer(server, logger),
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

// clients gives one for each way to speak to the server.
func clients() map[string]*http.Client {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	return map[string]*http.Client{
		"HTTP1": {Transport: &http.Transport{}},
		"HTTP2": {Transport: &http.Transport{Protocols: &protocols}},
	}
}

func asIs(*kvconnect.Options) {}

func TestConformance(t *testing.T) {
	t.Parallel()
	s := start(t, asIs)
	conformance.RunHTTP(t, s.url, accessToken)
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
	Endpoints []struct {
		URL string `json:"url"`
	} `json:"endpoints"`
	Token string `json:"token"`
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

func (s *liveServer) metadata(t *testing.T, path string, header http.Header) metadata {
	t.Helper()
	header.Set("Authorization", "Bearer "+accessToken)
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
	header := bearer(s.metadata(t, "/", http.Header{}).Token)
	header.Set("X-Denokv-Version", "3")
	header.Set("X-Denokv-Database-Id", s.options.DatabaseID.String())
	return header
}

func (s *liveServer) call(t *testing.T, method string, body []byte) response {
	t.Helper()
	return s.do(t, http.MethodPost, "/v2/"+method, s.dataPathHeader(t), bytes.NewReader(body))
}
