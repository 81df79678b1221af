package service_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/admin"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/datadir"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/service"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
	"github.com/kvconnect/kvconnect/sqlitebackend"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logged is what was logged. It is safe for concurrent use.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// greeting hands on what is printed.
type greeting chan string

func (g greeting) Write(p []byte) (int, error) {
	g <- string(p)
	return len(p), nil
}

// server is a server that runs.
type server struct {
	url  string
	text string // of the greeting
	path string // of the folder or the file
	log  *logged
	stop func() error // waits for its end; it may be called again
}

func folderOptions(path string) service.Options {
	return service.Options{
		DataDir: path, Addr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", AdminAddrChosen: true,
		Transport: service.TransportLoop, Durability: sqlitebackend.DurabilityFull,
	}
}

func fileOptions(path string) service.Options {
	options := folderOptions("")
	options.SQLitePath, options.AdminAddr = path, ""
	return options
}

// start runs a server until the test ends.
func start(t *testing.T, options service.Options) *server {
	t.Helper()
	s := &server{log: new(logged), path: options.DataDir + options.SQLitePath}
	greeted := make(greeting, 1)
	options.Out, options.Logger = greeted, slog.New(slog.NewTextHandler(s.log, nil))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx, options) }()
	s.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
	select {
	case s.text = <-greeted:
	case err := <-ended:
		ended <- nil
		t.Fatalf("the server ended: %v", err)
	}
	s.url = regexp.MustCompile(`http://\S+`).FindString(s.text)
	return s
}

// operator gives the operations of the admin listener, found as the command line finds it.
func (s *server) operator(t *testing.T) *admin.Client {
	t.Helper()
	way, err := datadir.ReadAdminAccess(s.path)
	if err != nil {
		t.Fatal(err)
	}
	client, err := admin.NewClient(way.URL, way.Token)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() }) // never fails
	return client
}

func (s *server) create(t *testing.T, name string) {
	t.Helper()
	if _, err := s.operator(t).CreateDatabase(t.Context(), admin.CreateDatabase{Name: name}); err != nil {
		t.Fatal(err)
	}
}

// newHTTPClient speaks HTTP/2 as Deno does.
func newHTTPClient(t *testing.T) *http.Client {
	t.Helper()
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	client := &http.Client{Transport: &http.Transport{Protocols: &protocols}}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// reply is the answer to a request, read whole.
type reply struct {
	status int
	header http.Header
	body   string
}

func send(t *testing.T, client *http.Client, url string, header http.Header, body []byte) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() }) // only read
	return response
}

func post(t *testing.T, client *http.Client, url string, header http.Header, body []byte) reply {
	t.Helper()
	response := send(t, client, url, header, body) //nolint:bodyclose // send has it closed
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{response.StatusCode, response.Header, string(data)}
}

// database is one that a program has open.
type database struct {
	client   *http.Client
	metadata struct {
		DatabaseID string `json:"databaseId"`
		Token      string `json:"token"`
		Endpoints  []struct {
			URL string `json:"url"`
		} `json:"endpoints"`
	}
}

// exchange makes the metadata exchange.
func (s *server) exchange(t *testing.T, client *http.Client, path, token string) reply {
	t.Helper()
	return post(t, client, s.url+path, http.Header{
		"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"},
	}, []byte(`{"supportedVersions":[1,2,3]}`))
}

func (s *server) open(t *testing.T, path, token string) *database {
	t.Helper()
	d := &database{client: newHTTPClient(t)}
	r := s.exchange(t, d.client, path, token)
	if r.status != http.StatusOK {
		t.Fatalf("status %d: %s", r.status, r.body)
	}
	if err := json.Unmarshal([]byte(r.body), &d.metadata); err != nil || len(d.metadata.Endpoints) != 1 {
		t.Fatalf("%v: %s", err, r.body)
	}
	return d
}

func (d *database) header() http.Header {
	return http.Header{
		"Authorization": {"Bearer " + d.metadata.Token}, "Content-Type": {"application/x-protobuf"},
		"X-Denokv-Version": {"3"}, "X-Denokv-Database-Id": {d.metadata.DatabaseID},
	}
}

func (d *database) call(t *testing.T, method string, message proto.Message) reply {
	t.Helper()
	body, err := proto.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	return post(t, d.client, d.metadata.Endpoints[0].URL+"/"+method, d.header(), body)
}

func (d *database) read(t *testing.T) reply {
	t.Helper()
	return d.call(t, "snapshot_read", &datapath.SnapshotRead{
		Ranges: []*datapath.ReadRange{{Start: []byte{1}, End: []byte{2}, Limit: 1}},
	})
}

func (d *database) write(t *testing.T, key, value string) reply {
	t.Helper()
	return d.call(t, "atomic_write", &datapath.AtomicWrite{Mutations: []*datapath.Mutation{{
		Key: []byte(key), MutationType: datapath.MutationType_M_SET,
		Value: &datapath.KvValue{Data: []byte(value), Encoding: datapath.ValueEncoding_VE_BYTES},
	}}})
}

func (d *database) delete(t *testing.T, key string) reply {
	t.Helper()
	return d.call(t, "atomic_write", &datapath.AtomicWrite{Mutations: []*datapath.Mutation{{
		Key: []byte(key), MutationType: datapath.MutationType_M_DELETE,
	}}})
}

// watch opens a watch and reads its first state.
func (d *database) watch(t *testing.T) io.Reader {
	t.Helper()
	body, err := proto.Marshal(&datapath.Watch{Keys: []*datapath.WatchKey{{Key: []byte{1}}}})
	if err != nil {
		t.Fatal(err)
	}
	response := send(t, d.client, d.metadata.Endpoints[0].URL+"/watch", d.header(), body) //nolint:bodyclose // send has it closed
	if response.StatusCode != http.StatusOK {
		t.Fatalf("status %d", response.StatusCode)
	}
	readState(t, response.Body)
	return response.Body
}

// readState reads a watch to the end of the next state.
func readState(t *testing.T, stream io.Reader) {
	t.Helper()
	for n := uint32(0); n == 0; { // a frame of nothing is a sign of life
		var header [4]byte
		if _, err := io.ReadFull(stream, header[:]); err != nil {
			t.Fatal(err)
		}
		n = binary.LittleEndian.Uint32(header[:])
		if _, err := io.CopyN(io.Discard, stream, int64(n)); err != nil {
			t.Fatal(err)
		}
	}
}

func wantStatus(t *testing.T, what string, got reply, want int) {
	t.Helper()
	if got.status != want {
		t.Errorf("%s: status %d, want %d: %s", what, got.status, want, got.body)
	}
}

func (s *server) createToken(t *testing.T, name string, scope access.Scope) admin.CreatedToken {
	t.Helper()
	created, err := s.operator(t).CreateToken(t.Context(), admin.CreateToken{Database: name, Scope: scope})
	if err != nil {
		t.Fatal(err)
	}
	return created
}

// A chosen access token opens all databases of a folder, the one named default by the URL of
// the server alone.
func TestMasterToken(t *testing.T) {
	t.Parallel()
	const master = "the-token-that-was-chosen"
	options := folderOptions(filepath.Join(t.TempDir(), "data"))
	options.AccessToken = master
	s := start(t, options)
	client := newHTTPClient(t)
	s.create(t, "orders")
	wantStatus(t, "there is no default", s.exchange(t, client, "/", master), http.StatusNotFound)
	s.create(t, "default")
	byDefault, orders := s.open(t, "/", master), s.open(t, "/databases/orders/connect", master)
	if byDefault.metadata.DatabaseID == orders.metadata.DatabaseID {
		t.Error("both are the same database")
	}
	if named := s.open(t, "/databases/default", master); named.metadata.DatabaseID != byDefault.metadata.DatabaseID {
		t.Error("the default is another by its name")
	}
	wantStatus(t, "write", byDefault.write(t, "\x01", "value"), http.StatusOK)
	if r := orders.read(t); r.status != http.StatusOK || strings.Contains(r.body, "value") {
		t.Errorf("status %d: %q", r.status, r.body)
	}
	if r := byDefault.read(t); r.status != http.StatusOK || !strings.Contains(r.body, "value") {
		t.Errorf("status %d: %q", r.status, r.body)
	}
	wantStatus(t, "another token", s.exchange(t, client, "/", master+"x"), http.StatusUnauthorized)
	wantStatus(t, "no such database", s.exchange(t, client, "/databases/nothing", master), http.StatusNotFound)
	if _, err := s.operator(t).DeleteDatabase(t.Context(), "orders"); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, "deleted", orders.read(t), http.StatusUnauthorized)
	wantStatus(t, "not deleted", byDefault.read(t), http.StatusOK)
	if strings.Contains(s.text+s.log.String(), master) {
		t.Errorf("the token is shown: %s%s", s.text, s.log)
	}
	if !strings.Contains(s.text, "the one you chose opens all of them") {
		t.Errorf("greeting %s", s.text)
	}
}

// A token that is revoked over the admin listener ends the watches that were opened with it
// without anything else that happens, and refuses calls; others go on.
func TestRevokeEndsWatches(t *testing.T) {
	t.Parallel()
	for _, over := range []service.Transport{service.TransportLoop, service.TransportStd} {
		for name, end := range map[string]func(*admin.Client, string) error{
			"revoked": func(operator *admin.Client, id string) error {
				_, err := operator.RevokeToken(context.Background(), id)
				return err
			},
			"database deleted": func(operator *admin.Client, _ string) error {
				_, err := operator.DeleteDatabase(context.Background(), "orders")
				return err
			},
		} {
			t.Run(string(over)+", "+name, func(t *testing.T) {
				t.Parallel()
				options := folderOptions(filepath.Join(t.TempDir(), "data"))
				options.Transport = over
				s := start(t, options)
				s.create(t, "orders")
				s.create(t, "other")
				token, other := s.createToken(t, "orders", "read"), s.createToken(t, "other", "write")
				d, otherDatabase := s.open(t, "/", token.AccessToken), s.open(t, "/", other.AccessToken)
				watch, otherWatch := d.watch(t), otherDatabase.watch(t)
				wantStatus(t, "write with a token for reading", d.write(t, "\x01", "value"), http.StatusForbidden)
				if err := end(s.operator(t), token.Token.ID); err != nil {
					t.Fatal(err)
				}
				if rest, err := io.ReadAll(watch); err != nil || !bytes.HasSuffix(rest, protocol.ReadDisabledFrame()) {
					t.Errorf("the watch ends with %x, %v", rest, err)
				}
				wantStatus(t, "read", d.read(t), http.StatusUnauthorized)
				wantStatus(t, "exchange", s.exchange(t, d.client, "/", token.AccessToken), http.StatusUnauthorized)
				wantStatus(t, "write of another", otherDatabase.write(t, "\x01", "value"), http.StatusOK)
				readState(t, otherWatch)
				if err := s.stop(); err != nil {
					t.Error(err)
				}
				if log := s.log.String(); strings.Contains(log, token.AccessToken) || strings.Contains(log, d.metadata.Token) ||
					strings.Contains(log, "level=ERROR") {
					t.Errorf("it logged %s", log)
				}
			})
		}
	}
}

// Keys that are dropped end the watches: they may have been opened with tokens that somebody
// else signed.
func TestDroppedKeysEndWatches(t *testing.T) {
	t.Parallel()
	s := start(t, folderOptions(filepath.Join(t.TempDir(), "data")))
	s.create(t, "orders")
	token := s.createToken(t, "orders", "write")
	d := s.open(t, "/", token.AccessToken)
	watch := d.watch(t)
	if _, err := s.operator(t).RotateKeys(t.Context(), admin.RotateKeys{}); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, "write", d.write(t, "\x01", "value"), http.StatusOK)
	readState(t, watch)
	if _, err := s.operator(t).RotateKeys(t.Context(), admin.RotateKeys{DropOld: true}); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(watch); err != nil || bytes.Contains(rest, protocol.ReadDisabledFrame()) {
		t.Errorf("the watch ends with %x, %v", rest, err)
	}
	wantStatus(t, "read", d.read(t), http.StatusUnauthorized)
	wantStatus(t, "read anew", s.open(t, "/", token.AccessToken).read(t), http.StatusOK)
	if err := s.stop(); err != nil {
		t.Error(err)
	}
}

// The quotas of the flags hold for the one database.
func TestQuotasOfOneDatabase(t *testing.T) {
	t.Parallel()
	const token = "the-token-that-was-chosen"
	t.Run("requests", func(t *testing.T) {
		t.Parallel()
		options := fileOptions(filepath.Join(t.TempDir(), "one.sqlite"))
		options.AccessToken, options.Limits.RequestsPerSecond = token, 0.001
		d := start(t, options).open(t, "/", token)
		wantStatus(t, "the first", d.read(t), http.StatusOK)
		r := d.read(t)
		wantStatus(t, "the second", r, http.StatusTooManyRequests)
		if r.header.Get("Retry-After") == "" {
			t.Error("it does not say when to come again")
		}
	})
	t.Run("file", func(t *testing.T) {
		t.Parallel()
		options := fileOptions(filepath.Join(t.TempDir(), "one.sqlite"))
		options.AccessToken, options.Limits.FileBytes = token, 200_000
		d := start(t, options).open(t, "/", token)
		wantStatus(t, "what fits", d.write(t, "\x01", strings.Repeat("a", 60_000)), http.StatusOK)
		wantStatus(t, "what fits too", d.write(t, "\x02", strings.Repeat("a", 60_000)), http.StatusOK)
		wantStatus(t, "too much", d.write(t, "\x03", strings.Repeat("a", 60_000)), http.StatusRequestEntityTooLarge)
		wantStatus(t, "a read", d.read(t), http.StatusOK)
		wantStatus(t, "a delete", d.delete(t, "\x01"), http.StatusOK)
		wantStatus(t, "what fits then", d.write(t, "\x03", strings.Repeat("a", 50_000)), http.StatusOK)
	})
	t.Run("watches", func(t *testing.T) {
		t.Parallel()
		options := fileOptions(filepath.Join(t.TempDir(), "one.sqlite"))
		options.AccessToken, options.Limits.Watches = token, 1
		d := start(t, options).open(t, "/", token)
		d.watch(t)
		wantStatus(t, "the second", d.call(t, "watch", &datapath.Watch{Keys: []*datapath.WatchKey{{Key: []byte{1}}}}),
			http.StatusTooManyRequests)
	})
}

// Where the default address of the admin listener is taken, the server of a folder takes
// another one and says where; one that the user chose is an error.
func TestAdminAddrIsTaken(t *testing.T) {
	t.Parallel()
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	options := folderOptions(filepath.Join(t.TempDir(), "data"))
	options.AdminAddr, options.AdminAddrChosen = taken.Addr().String(), false
	s := start(t, options)
	s.create(t, "orders")
	way, err := datadir.ReadAdminAccess(s.path)
	if err != nil || strings.Contains(way.URL, taken.Addr().String()) {
		t.Errorf("%s, %v", way.URL, err)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if _, err := datadir.ReadAdminAccess(s.path); !errors.Is(err, datadir.ErrNoAdmin) {
		t.Errorf("after the end: %v, want ErrNoAdmin", err)
	}

	options.AdminAddrChosen = true
	if err := service.Run(t.Context(), discarding(options)); err == nil || !strings.Contains(err.Error(), "--admin-addr") {
		t.Errorf("%v, want that --admin-addr is to be changed", err)
	}
	one := fileOptions(filepath.Join(t.TempDir(), "one.sqlite"))
	one.AdminAddr, one.AdminAddrChosen = taken.Addr().String(), false
	if s := start(t, one); !strings.Contains(s.log.String(), "no admin listener") {
		t.Errorf("it logged %s", s.log)
	}
}

// discarding is for a server that is not to start.
func discarding(options service.Options) service.Options {
	options.Out, options.Logger = io.Discard, slog.New(slog.DiscardHandler)
	return options
}
