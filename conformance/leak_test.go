package conformance

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
	"google.golang.org/protobuf/proto"
)

// What must not be told, but to who sent it in a reply that carries entries.
const (
	leakKey   = "a-key-that-nobody-may-know"
	leakValue = "a-value-that-nobody-may-know"
	// leakMaster is chosen, so that nothing but the server itself can tell what it is.
	leakMaster = "a-master-token-that-nobody-may-know"
)

// Whatever goes wrong, no token, key or value is in what the server prints, in the text of
// an error, in what operators are told, in the list of processes or in a file of the folder
// but for the data itself.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	provider := newIdentityProvider(t)
	l := &leaks{provider: provider, secrets: map[string]string{"key": leakKey, "value": leakValue}}
	admin := "an-admin-token-that-nobody-may-know"
	l.secrets["admin token"] = admin
	l.server = serverOptions{
		folder: filepath.Join(t.TempDir(), "data"), env: []string{"KVCONNECT_MASTER_TOKEN=" + leakMaster, "KVCONNECT_ADMIN_TOKEN=" + admin},
		args: []string{
			"--jwks", writeFile(t, string(provider.keySet(t))), "--jwt-issuer", identityIssuer, "--jwt-audience", identityAudience, "--trusted-proxy", "127.0.0.1",
			"--log-level", "debug", "--metrics-per-database",
		},
	}.startFolder(t)
	l.secrets["master token"] = leakMaster
	l.orders = l.server.createDatabase(t, "orders")
	l.makeTokens(t)
	l.useMetadata(t)
	l.useDataPath(t)
	l.useQuotas(t)
	l.useRequestIDs(t)
	l.useAdmin(t)
	l.useDamage(t)
	l.server.stop(t)
	l.check(t)
}

// leaks is a server under requests that go wrong, and all that it and its operators said.
type leaks struct {
	server   *folderServer
	provider *identityProvider
	orders   string // the id of the database
	tokens   map[string]string
	secrets  map[string]string // by what they are
	told     bytes.Buffer      // to clients, in errors, and to operators
	sent     int
	statuses map[int]int // of all replies
}

// makeTokens makes a token of each kind.
func (l *leaks) makeTokens(t *testing.T) {
	t.Helper()
	write, read := l.server.createToken(t, "orders", "write"), l.server.createToken(t, "orders", "read", "--note", "a note")
	revoked, expired := l.server.createToken(t, "orders", "write"), l.server.createToken(t, "orders", "write", "--expires", "1s")
	l.operate(t, "token", "revoke", revoked.id)
	l.tokens = map[string]string{
		"write": write.secret, "read": read.secret, "revoked": revoked.secret, "expired": expired.secret,
		"cut off": write.secret[:40], "mistyped": write.secret[:50] + "000", "unknown": "kvc_" + strings.Repeat("0", 43),
		"of the provider":   l.provider.token(t, "EdDSA", "EdDSA", "orders", "write"),
		"of an unknown key": l.provider.token(t, "EdDSA", leakKey, "orders", "write"),
		"of a wrong scope":  l.provider.token(t, "RS256", "RS256", "orders", leakValue),
		"of no database":    l.provider.token(t, "ES256", "ES256", leakKey, "write"),
	}
	for name, token := range l.tokens {
		l.secrets["token "+name] = token
	}
	maps.Copy(l.tokens, map[string]string{"master": leakMaster, "empty": "", "no token": "\"" + leakValue + "\""})
	awaitTokenExpiry(t, l.server, expired)
}

// send makes a request and notes the reply, unless it is a success.
func (l *leaks) send(t *testing.T, method, url string, header http.Header, body []byte) reply {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header.Clone()
	if request.Header == nil {
		request.Header = make(http.Header)
	}
	// Not many from one address, or most of the time would go by waiting.
	l.sent++
	request.Header.Set("X-Forwarded-For", "192.0.2."+strconv.Itoa(l.sent/12))
	client := httpClients["HTTP1"]()
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	if l.statuses == nil {
		l.statuses = make(map[int]int)
	}
	l.statuses[response.StatusCode]++
	if response.StatusCode != http.StatusOK {
		if id := request.Header.Get("X-Request-Id"); id != "" && response.Header.Get("X-Request-Id") == id {
			response.Header.Del("X-Request-Id") // which tells nobody but who sent it
		}
		fmt.Fprintf(&l.told, "%s %s: %d %v %s\n", method, request.Proto, response.StatusCode, response.Header, data)
	}
	return reply{response.StatusCode, response.Header, data}
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// useMetadata makes metadata exchanges that fail, of each kind of token.
func (l *leaks) useMetadata(t *testing.T) {
	t.Helper()
	server := l.server.url
	for _, name := range slices.Sorted(maps.Keys(l.tokens)) {
		token := l.tokens[name]
		for _, path := range []string{"/", "/databases/orders", "/databases/nothing/connect", "/databases/" + token + "/connect?token=" + token} {
			l.send(t, http.MethodPost, server+path, bearer(token), []byte(`{"supportedVersions":[1,2,3]}`))
		}
	}
	write := l.tokens["write"]
	for _, body := range []string{leakValue, `{"supportedVersions":["` + leakValue + `"]}`, `{"supportedVersions":[4]}`, strings.Repeat(leakValue, 10_000)} {
		l.send(t, http.MethodPost, server, bearer(write), []byte(body))
	}
	l.send(t, http.MethodPost, server, http.Header{"Authorization": {write}}, nil)
	l.send(t, http.MethodPost, server, http.Header{"Authorization": {"Basic " + write}}, nil)
	l.send(t, http.MethodGet, server+"/"+write+"?access_token="+write, nil, nil)
	l.send(t, http.MethodDelete, server+"/databases/"+write, bearer(write), nil)
	l.send(t, "TRACE", server, bearer(write), nil)
}

// useDataPath makes calls of the data path that fail.
func (l *leaks) useDataPath(t *testing.T) {
	t.Helper()
	db := openWithGo(t, l.server.url, l.tokens["write"])
	reading := openWithGo(t, l.server.url, l.tokens["read"])
	l.secrets["data path token"], l.secrets["data path token for reading"] = db.metadata.Token, reading.metadata.Token
	leaked, err := protocol.Key{leakKey}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	write := func(mutations ...protocol.Mutation) []byte {
		return encoded(t, atomicWriteMessage(protocol.AtomicWrite{Mutations: mutations}))
	}
	good := write(set(leaked, text(leakValue)))
	l.send(t, http.MethodPost, db.url("atomic_write"), db.header(), good)
	unknownEncoding := set(leaked, protocol.Value{Data: []byte(leakValue), Encoding: 77})
	shortNumber := set(leaked, protocol.Value{Data: []byte(leakValue), Encoding: protocol.EncodingLE64})
	for _, body := range [][]byte{
		[]byte(leakKey + leakValue), good[:len(good)-3],
		write(u64(protocol.MutationSum, leaked, 1)), write(u64(protocol.MutationMin, leaked, 1)), write(unknownEncoding), write(shortNumber),
		write(set(bytes.Repeat(leaked, 200), text(leakValue))), write(set(leaked, text(strings.Repeat(leakValue, 10_000)))),
		encoded(t, &datapath.AtomicWrite{Enqueues: []*datapath.Enqueue{{Payload: []byte(leakValue)}}}),
		encoded(t, &datapath.AtomicWrite{Checks: []*datapath.Check{{Key: leaked, Versionstamp: []byte(leakValue)}}}),
		bytes.Repeat([]byte(leakValue), 100_000),
	} {
		l.send(t, http.MethodPost, db.url("atomic_write"), db.header(), body)
		l.send(t, http.MethodPost, db.url("snapshot_read"), db.header(), body)
		l.send(t, http.MethodPost, reading.url("atomic_write"), reading.header(), body)
	}
	for _, method := range []string{"watch", "snapshot_read"} {
		l.send(t, http.MethodPost, db.url(method), db.header(), []byte(leakKey))
		l.send(t, http.MethodPost, db.url(method), db.header(),
			encoded(t, &datapath.Watch{Keys: []*datapath.WatchKey{{Key: bytes.Repeat(leaked, 200)}}}))
	}
	for name, values := range map[string][]string{
		"X-Denokv-Database-Id": {leakValue, l.tokens["write"], "5b4e3c8e-2d9f-4a17-8c21-9d0f3a6e7b55"},
		"X-Denokv-Version":     {leakValue, l.tokens["write"]},
		"Authorization":        {"Bearer " + db.metadata.Token + "x", "Bearer " + l.tokens["write"], "Bearer " + reading.metadata.Token[:50], leakValue},
	} {
		for _, value := range values {
			header := db.header()
			header.Set(name, value)
			l.send(t, http.MethodPost, db.url("atomic_write"), header, good)
		}
	}
	l.send(t, http.MethodPost, db.url(leakKey), db.header(), good)
}

func encoded(t *testing.T, message proto.Message) []byte {
	t.Helper()
	body, err := proto.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// useQuotas has calls refused for each quota.
func (l *leaks) useQuotas(t *testing.T) {
	t.Helper()
	l.server.createDatabase(t, "small", "--max-file-size", "100KB", "--max-watches", "1")
	token := l.server.createToken(t, "small", "write", "--max-requests-per-second", "3")
	l.secrets["token of a small database"] = token.secret
	db := openWithGo(t, l.server.url, token.secret)
	body := encoded(t, atomicWriteMessage(protocol.AtomicWrite{
		Mutations: []protocol.Mutation{set([]byte(leakKey), text(strings.Repeat(leakValue, 2000)))},
	}))
	for range 10 {
		l.send(t, http.MethodPost, db.url("atomic_write"), db.header(), body)
	}
	l.operate(t, "token", "limit", token.id, "--max-requests-per-second", "0")
	for n := range 4 {
		body := encoded(t, atomicWriteMessage(protocol.AtomicWrite{
			Mutations: []protocol.Mutation{set([]byte(leakKey+strconv.Itoa(n)), text(strings.Repeat(leakValue, 2000)))},
		}))
		l.send(t, http.MethodPost, db.url("atomic_write"), db.header(), body)
	}
}

// useRequestIDs has clients send tokens where the id of a request goes, of calls that succeed
// and of others: each has a line in the log.
func (l *leaks) useRequestIDs(t *testing.T) {
	t.Helper()
	db := openWithGo(t, l.server.url+"/databases/orders", leakMaster)
	l.secrets["second data path token"] = db.metadata.Token
	read := encoded(t, readOfKey([]byte(leakKey)))
	for _, name := range slices.Sorted(maps.Keys(l.secrets)) {
		if name == "key" || name == "value" || name == "admin token" {
			continue // which a server cannot tell from an id
		}
		secret := l.secrets[name]
		for _, id := range []string{secret, "request-" + secret, "Bearer " + secret} {
			if id == "request-"+leakMaster {
				continue // which is no token any more
			}
			call, refused := db.header(), bearer("no token at all")
			for _, header := range []http.Header{call, refused} {
				header.Set("X-Request-Id", id)
			}
			if got := l.send(t, http.MethodPost, db.url("snapshot_read"), call, read); got.status != http.StatusOK {
				t.Errorf("a read with the %s as its id got %d %s", name, got.status, got.body)
			}
			l.send(t, http.MethodPost, db.url("watch"), refused, read)
		}
	}
}

// scrape notes what metrics tell.
func (l *leaks) scrape(t *testing.T) {
	t.Helper()
	access, err := os.ReadFile(filepath.Join(l.server.folder, "admin.json"))
	if err != nil {
		t.Fatal(err)
	}
	got := l.send(t, http.MethodGet, strings.TrimRight(jsonField(t, access, "url"), "/")+"/metrics", nil, nil)
	if got.status != http.StatusOK || !bytes.Contains(got.body, []byte(`kvconnect_database_requests_total{database="`+l.orders)) {
		t.Errorf("the metrics do not tell of the database: %d %.500s", got.status, got.body)
	}
	l.told.Write(got.body)
}

// operate notes what a command of an operator says, whether it succeeds or not.
func (l *leaks) operate(t *testing.T, args ...string) {
	t.Helper()
	stdout, stderr, err := tryToOperate(t, l.server.folder, args...)
	fmt.Fprintf(&l.told, "kvconnect %s: %v\n%s%s\n", args[0], err, stdout, stderr)
}

// useAdmin has operators do what they may and what they may not.
func (l *leaks) useAdmin(t *testing.T) {
	t.Helper()
	noDatabase := writeFile(t, leakValue)
	l.secrets["token in a file"] = "the-content-of-a-file"
	for _, args := range [][]string{
		{"db", "list"},
		{"db", "list", "--json"},
		{"db", "stats", "orders"},
		{"db", "stats", "orders", "--json"},
		{"token", "list"},
		{"token", "list", "--json", "--all"},
		{"keys", "list"},
		{"keys", "public"},
		{"keys", "rotate"},
		{"db", "adopt", noDatabase, "--name", "adopted"},
		{"db", "adopt", noDatabase, "--access-token-file", writeFile(t, "the-content-of-a-file\nof two lines")},
		{"token", "create", "--db", "nothing", "--scope", "write"},
		{"db", "create", "orders"},
		{"db", "rename", "orders", "small"},
	} {
		l.operate(t, args...)
	}
	// An operator takes a token for what names it.
	for _, args := range [][]string{
		{"token", "revoke"},
		{"token", "limit"},
		{"token", "list", "--db"},
		{"token", "create", "--scope", "read", "--db"},
		{"db", "stats"},
		{"db", "limit"},
		{"db", "create"},
		{"db", "rename", "orders"},
		{"db", "delete", "--yes"},
	} {
		l.operate(t, append(args, l.tokens["write"])...)
	}
	access, err := os.ReadFile(filepath.Join(l.server.folder, "admin.json"))
	if err != nil {
		t.Fatal(err)
	}
	admin := strings.TrimRight(jsonField(t, access, "url"), "/")
	token := l.secrets["admin token"]
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/" + leakKey, "/admin/v1/tokens", "/admin/v1/databases", "/admin/v1/databases/" + leakKey + "/stats"} {
		l.send(t, http.MethodGet, admin+path, nil, nil)
		l.send(t, http.MethodGet, admin+path, bearer(token[1:]), nil)
		l.send(t, http.MethodGet, admin+path, bearer(l.tokens["write"]), nil)
	}
	for _, body := range []string{leakValue, `{"database":"` + leakValue, `{"database":1}`, strings.Repeat(leakValue, 100_000)} {
		l.send(t, http.MethodPost, admin+"/admin/v1/tokens", bearer(token), []byte(body))
		l.send(t, http.MethodPost, admin+"/admin/v1/databases", bearer(token), []byte(body))
	}
}

// useDamage has an entry read that cannot be.
func (l *leaks) useDamage(t *testing.T) {
	t.Helper()
	l.scrape(t)
	l.server.stop(t)
	l.noteOutput(t)
	path := filepath.Join(l.server.folder, "databases", l.orders+".sqlite")
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	result, err := db.ExecContext(t.Context(), "update kv set version = ?", leakValue)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := result.RowsAffected(); n == 0 || err != nil {
		t.Fatalf("%d entries were damaged: %v", n, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	l.server = l.server.restart(t)
	damaged := openWithGo(t, l.server.url, l.tokens["write"])
	read := encoded(t, readOfKey([]byte("\x02"+leakKey+"\x00")))
	if got := l.send(t, http.MethodPost, damaged.url("snapshot_read"), damaged.header(), read); got.status != http.StatusUnprocessableEntity {
		t.Errorf("the read of a damaged entry got %d %s", got.status, got.body)
	}
	l.scrape(t)
	l.processes(t)
}

// processes notes the command line of the server.
func (l *leaks) processes(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), processPatience)
	defer cancel()
	listed, err := exec.CommandContext(ctx, "ps", "-ww", "-o", "args", "-p", strconv.Itoa(l.server.cmd.Process.Pid)).CombinedOutput()
	if err != nil || !bytes.Contains(listed, []byte("serve")) {
		t.Fatalf("ps: %v\n%s", err, listed)
	}
	l.told.Write(listed)
}

func (l *leaks) noteOutput(t *testing.T) {
	t.Helper()
	if l.server.stderr.String() == "" || l.server.stdout.String() == "" {
		t.Error("the server printed nothing")
	}
	l.told.WriteString(l.server.stdout.String() + l.server.stderr.String())
}

// check looks for everything that must not be told.
func (l *leaks) check(t *testing.T) {
	t.Helper()
	l.noteOutput(t)
	t.Logf("replies by status: %v", l.statuses)
	if !strings.Contains(l.told.String(), `"request_id":"withheld"`) {
		t.Error("the log shows no id that was withheld, so no token was among those that were sent")
	}
	for _, status := range []int{400, 401, 403, 404, 405, 413, 422, 429} {
		if l.statuses[status] == 0 {
			t.Errorf("no reply had the status %d", status)
		}
	}
	control, err := os.ReadFile(filepath.Join(l.server.folder, "control.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	for what, secret := range l.secrets {
		for _, form := range []string{secret, hex.EncodeToString([]byte(secret))} {
			for where, content := range map[string]string{"what was told": l.told.String(), "the control database": string(control)} {
				if i := strings.Index(strings.ToLower(content), strings.ToLower(form)); i >= 0 {
					t.Errorf("the %s is in %s: %s", what, where, content[max(0, i-200):min(len(content), i+len(form)+50)])
				}
			}
		}
	}
}
