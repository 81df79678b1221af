package admin_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/admin"
)

// request sends a request as it is, and gives the status and the body of the reply.
func request(t *testing.T, method, url, authorization, body string) (status int, header http.Header, reply string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }() // it was read
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(data)
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	l := newListener(t)
	ctx := t.Context()
	orders := must(l.local.CreateDatabase(ctx, admin.CreateDatabase{Name: "orders"}))(t)
	must(l.local.CreateDatabase(ctx, admin.CreateDatabase{Name: "payments"}))(t)
	damaged := must(l.local.CreateDatabase(ctx, admin.CreateDatabase{Name: "damaged"}))(t)
	if err := os.Remove(filepath.Join(l.dir.Path(), "databases", damaged.ID.String()+".sqlite")); err != nil {
		t.Fatal(err)
	}
	token := must(l.local.CreateToken(ctx, admin.CreateToken{Database: "orders", Scope: "write"}))(t)
	source, _ := newSource(t)
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("this is no database, but long enough to look at"), 0o600); err != nil {
		t.Fatal(err)
	}
	adopt := func(path, name, more string) string {
		quoted, err := json.Marshal(path)
		if err != nil {
			t.Fatal(err)
		}
		return `{"path":` + string(quoted) + `,"name":"` + name + `"` + more + `}`
	}
	before := must(l.local.Databases(ctx))(t)
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		text               string
	}{
		"no body":               {"POST", "/databases", "", 400, "cannot be decoded"},
		"no JSON":               {"POST", "/databases", "name", 400, "cannot be decoded"},
		"cut off":               {"POST", "/databases", `{"name":"new"`, 400, "cannot be decoded"},
		"two":                   {"POST", "/databases", `{"name":"new"}{}`, 400, "more after its end"},
		"unknown field":         {"POST", "/databases", `{"name":"new","limits":{"watchez":1}}`, 400, `unknown field \"watchez\"`},
		"wrong type":            {"POST", "/databases", `{"name":7}`, 400, "cannot be decoded"},
		"too large":             {"POST", "/databases", `{"name":"` + strings.Repeat("a", 1<<16) + `"}`, 413, "too large"},
		"too large after it":    {"POST", "/databases", `{"name":"new"}` + strings.Repeat(" ", 1<<16), 400, "cannot be decoded"},
		"null":                  {"POST", "/databases", "null", 400, "name of a database"},
		"no name":               {"POST", "/databases", `{}`, 400, "name of a database"},
		"path as a name":        {"POST", "/databases", `{"name":"../../etc"}`, 400, "name of a database"},
		"name taken":            {"POST", "/databases", `{"name":"orders"}`, 409, "another database has this name"},
		"negative limit":        {"POST", "/databases", `{"name":"new","limits":{"watches":-1}}`, 400, "invalid limits"},
		"change nothing there":  {"PATCH", "/databases/nothing", `{}`, 404, `no such database: \"nothing\"`},
		"rename to a taken one": {"PATCH", "/databases/orders", `{"name":"payments"}`, 409, "another database has this name"},
		"rename to no name":     {"PATCH", "/databases/orders", `{"name":""}`, 400, "name of a database"},
		"unknown change":        {"PATCH", "/databases/orders", `{"limit":{}}`, 400, "unknown field"},
		"delete nothing there":  {"DELETE", "/databases/nothing", "", 404, "no such database"},
		"delete dots":           {"DELETE", "/databases/%2E%2E", "", 404, `no such database: \"..\"`},
		"delete a path":         {"DELETE", "/databases/..%2Forders", "", 404, "no such database"},
		"stats of nothing":      {"GET", "/databases/nothing/stats", "", 404, "no such database"},
		"stats of an id":        {"GET", "/databases/" + uuid.NewString() + "/stats", "", 404, "no such database"},
		"stats of a damaged":    {"GET", "/databases/damaged/stats", "", 422, "is missing"},
		"adopt nothing":         {"POST", "/databases/adopt", `{}`, 400, "path is not absolute"},
		"adopt a relative path": {"POST", "/databases/adopt", adopt("one.sqlite", "new", ""), 400, "path is not absolute"},
		"adopt what is not":     {"POST", "/databases/adopt", adopt(text+"2", "new", ""), 404, "text2"},
		"adopt a folder":        {"POST", "/databases/adopt", adopt(filepath.Dir(text), "new", ""), 400, "it is no file"},
		"adopt text":            {"POST", "/databases/adopt", adopt(text, "new", ""), 422, "is damaged"},
		"adopt a taken name":    {"POST", "/databases/adopt", adopt(source, "orders", ""), 409, "another database has this name"},
		"adopt ours": {
			"POST", "/databases/adopt", adopt(filepath.Join(l.dir.Path(), "databases", orders.ID.String()+".sqlite"), "new", ""), 409,
			"is there already",
		},
		"adopt control":          {"POST", "/databases/adopt", adopt(filepath.Join(l.dir.Path(), "control.sqlite"), "new", ""), 409, "has the file open"},
		"adopt with a bad hash":  {"POST", "/databases/adopt", adopt(source, "new", `,"accessTokenSha256":"abc"`), 400, "accessTokenSha256"},
		"adopt with a bad limit": {"POST", "/databases/adopt", adopt(source, "new", `,"limits":{"fileBytes":-1}`), 400, "invalid limits"},
		"token of nothing":       {"POST", "/tokens", `{"database":"nothing","scope":"read"}`, 404, "no such database"},
		"token of no scope":      {"POST", "/tokens", `{"database":"orders"}`, 400, "read and write"},
		"token of a wrong scope": {"POST", "/tokens", `{"database":"orders","scope":"all"}`, 400, "read and write"},
		"token with a bad note":  {"POST", "/tokens", `{"database":"orders","scope":"read","note":"\u0007"}`, 400, "a note has"},
		"token that has expired": {
			"POST", "/tokens", `{"database":"orders","scope":"read","expiresAt":"1850-01-01T00:00:00Z"}`, 400, "expired already",
		},
		"token with a bad time":   {"POST", "/tokens", `{"database":"orders","scope":"read","expiresAt":"tomorrow"}`, 400, "cannot be decoded"},
		"token with a bad limit":  {"POST", "/tokens", `{"database":"orders","scope":"read","limits":{"watches":-1}}`, 400, "invalid limits"},
		"token with a file limit": {"POST", "/tokens", `{"database":"orders","scope":"read","limits":{"fileBytes":1}}`, 400, "invalid limits"},
		"tokens of nothing":       {"GET", "/tokens?database=nothing", "", 404, "no such database"},
		"limit no token":          {"PATCH", "/tokens/t_nothing", `{}`, 404, "no such access token"},
		"limit a token badly":     {"PATCH", "/tokens/" + token.Token.ID, `{"limits":{"requestsPerSecond":-1}}`, 400, "invalid limits"},
		"revoke no token":         {"DELETE", "/tokens/t_nothing", "", 404, "no such access token"},
		"rotate by another word":  {"POST", "/keys/rotate", `{"drop":true}`, 400, "unknown field"},
		"rotate without a body":   {"POST", "/keys/rotate", "", 400, "cannot be decoded"},
	} {
		status, header, reply := request(t, c.method, l.url+"/admin/v1"+c.path, "Bearer "+adminToken, c.body)
		if status != c.status || !strings.Contains(reply, c.text) || !strings.HasPrefix(reply, `{"error":"`) {
			t.Errorf("%s: status %d, %s; want %d, %q", name, status, reply, c.status, c.text)
		}
		if header.Get("Cache-Control") != "no-store" || header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: header %v", name, header)
		}
	}
	wantEqual(t, "databases", must(l.local.Databases(ctx))(t), before)
	wantEqual(t, "tokens", must(l.local.Tokens(ctx, ""))(t), []admin.Token{token.Token})
	if keys := must(l.local.Keys(ctx))(t); len(keys) != 1 {
		t.Errorf("keys %v", keys)
	}
	if log := l.log.String(); log != "" {
		t.Errorf("it logged %s", log)
	}
}

func TestPathsAndMethods(t *testing.T) {
	t.Parallel()
	l := newListener(t)
	for name, c := range map[string]struct {
		method, path string
		status       int
	}{
		"next":              {"GET", "/healthz", 200},
		"none of ours":      {"GET", "/admin/v2/databases", 404},
		"unknown":           {"GET", "/admin/v1/nothing", 404},
		"the prefix":        {"GET", "/admin/v1", 404},
		"empty name":        {"DELETE", "/admin/v1/databases/", 404},
		"too long":          {"DELETE", "/admin/v1/databases/a/b", 404},
		"wrong method":      {"PUT", "/admin/v1/databases", 405},
		"GET of a rotation": {"GET", "/admin/v1/keys/rotate", 405},
	} {
		if status, _, reply := request(t, c.method, l.url+c.path, "Bearer "+adminToken, ""); status != c.status {
			t.Errorf("%s: status %d, %s; want %d", name, status, reply, c.status)
		}
	}
}

// Who has not the admin token is told so and nothing else, whatever is asked for.
func TestUnauthorized(t *testing.T) {
	t.Parallel()
	l := newListener(t)
	must(l.local.CreateDatabase(t.Context(), admin.CreateDatabase{Name: "orders"}))(t)
	_, _, want := request(t, "GET", l.url+"/admin/v1/databases", "", "")
	for _, authorization := range []string{
		"", "Bearer", "Bearer ", adminToken, "bearer " + adminToken, "Basic " + adminToken, "Bearer " + adminToken + " ",
		"Bearer  " + adminToken, "Bearer " + adminToken[1:], "Bearer wrong", "Bearer " + strings.Repeat("a", 10_000),
	} {
		if strings.HasSuffix(authorization, adminToken+" ") {
			continue // what is around a field of a header is not a part of it
		}
		for _, c := range []struct{ method, path, body string }{
			{"GET", "/databases", ""},
			{"GET", "/nothing", ""},
			{"PUT", "/databases", ""},
			{"DELETE", "/databases/orders", ""},
			{"DELETE", "/databases/nothing", ""},
			{"POST", "/databases", "no JSON"},
			{"POST", "/databases", strings.Repeat("a", 1<<10)},
			{"POST", "/keys/rotate", `{}`},
			{"GET", "/../v1/keys", ""},
			{"GET", "/%6Beys", ""},
			{"GET", "", ""},
		} {
			status, header, reply := request(t, c.method, l.url+"/admin/v1"+c.path, authorization, c.body)
			if status != http.StatusUnauthorized || reply != want || header.Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("%s %s with %.40q: status %d, %s", c.method, c.path, authorization, status, reply)
			}
		}
	}
	for _, path := range []string{"/%61dmin/v1/keys", "/admin/%761/keys", "/admin%2Fv1/keys", "/admin/v1%2Fkeys"} {
		if status, _, _ := request(t, "GET", l.url+path, "", ""); status != http.StatusUnauthorized {
			t.Errorf("%s: status %d", path, status)
		}
	}
	// Paths that only lead there reach nothing.
	for _, path := range []string{"//admin/v1/keys", "/x/../admin/v1/keys", "/./admin/v1/keys"} {
		if status, _, reply := request(t, "GET", l.url+path, "", ""); status == http.StatusOK || strings.Contains(reply, "createdAt") {
			t.Errorf("%s: status %d, %s", path, status, reply)
		}
	}
	if databases := must(l.local.Databases(t.Context()))(t); len(databases) != 1 {
		t.Errorf("databases %v", databases)
	}
	if log := l.log.String(); log != "" {
		t.Errorf("it logged %s", log)
	}
}

// operations are those of a test, which has those that it needs.
type operations struct {
	admin.Operations
	revoke func(ctx context.Context) error
}

func (o operations) RevokeToken(ctx context.Context, id string) (admin.Token, error) {
	return admin.Token{ID: id}, o.revoke(ctx)
}

// What a client has begun is finished although it leaves.
func TestClientLeaves(t *testing.T) {
	t.Parallel()
	ctx, leave := context.WithCancel(t.Context())
	begun, left, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	url := serve(t, operations{revoke: func(ctx context.Context) error {
		close(begun)
		<-left
		done <- ctx.Err()
		return nil
	}}, slog.New(slog.DiscardHandler))
	client := newClient(t, url)
	go func() {
		<-begun
		leave()
	}()
	if _, err := client.RevokeToken(ctx, "t_1"); err == nil {
		t.Error("the client did not leave")
	}
	close(left)
	if err := <-done; err != nil {
		t.Errorf("the operation was cut off: %v", err)
	}
}

// What an operator does leaves no secret in the log, even if it fails.
func TestNoSecretInTheLog(t *testing.T) {
	t.Parallel()
	l := newListener(t)
	must(l.client.CreateDatabase(t.Context(), admin.CreateDatabase{Name: "orders"}))(t)
	created := must(l.client.CreateToken(t.Context(), admin.CreateToken{Database: "orders", Scope: "read"}))(t)
	if err := l.dir.Control().Close(); err != nil {
		t.Fatal(err)
	}
	// By mistake, in the place of its id.
	if _, err := l.client.RevokeToken(t.Context(), created.AccessToken); err == nil {
		t.Error("an access token was taken for its id")
	}
	if _, err := l.client.RevokeToken(t.Context(), created.Token.ID); err == nil || !strings.Contains(err.Error(), "is closed") {
		t.Errorf("%v, want that it is closed", err)
	}
	log := l.log.String()
	if !strings.Contains(log, "operation failed") || !strings.Contains(log, "DELETE /admin/v1/tokens/{token}") {
		t.Errorf("it logged %q", log)
	}
	if strings.Contains(log, created.AccessToken) || strings.Contains(log, adminToken) {
		t.Errorf("there is a secret in the log: %s", log)
	}
}

func TestNewClient(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "127.0.0.1:4513", "ftp://host", "http://", "http://user:secret@host", "http://host:port", "://"} {
		if _, err := admin.NewClient(url, adminToken); err == nil || !strings.Contains(err.Error(), "give an address such as") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

// What is at the address may be something else.
func TestOtherServers(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 1)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- r.Header.Get("Authorization")
	}))
	t.Cleanup(elsewhere.Close)
	for name, c := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"not found":   {404, "404 page not found", "status 404 and is none of kvconnect's"},
		"empty error": {500, `{"error":""}`, "is none of kvconnect's"},
		"redirect":    {307, "", "status 307"},
		"no JSON":     {200, "welcome", "decode the reply"},
		"cut off":     {200, `[{"id":`, "decode the reply"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		}))
		_, err := newClient(t, server.URL).Databases(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		server.Close()
	}
	if len(asked) > 0 {
		t.Errorf("the redirection was followed with %q", <-asked)
	}
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	if _, err := newClient(t, closed.URL).Databases(t.Context()); err == nil || !strings.Contains(err.Error(), "reach the admin listener") {
		t.Errorf("%v", err)
	}
}

// Names that mean something in a path reach the server as they are.
func TestOddNames(t *testing.T) {
	t.Parallel()
	l := newListener(t)
	for _, name := range []string{".", "..", "a/b", "../tokens", "a?b", "a%2Fb", "a#b", " ", "ä", "adopt", "a\x00b"} {
		_, localErr := l.local.DeleteDatabase(t.Context(), name)
		_, err := l.client.DeleteDatabase(t.Context(), name)
		if err == nil || localErr == nil || err.Error() != localErr.Error() {
			t.Errorf("%q: %v, on the folder %v", name, err, localErr)
		}
		_, statsErr := l.client.DatabaseStats(t.Context(), name)
		_, tokenErr := l.client.RevokeToken(t.Context(), name)
		if statsErr == nil || !strings.Contains(statsErr.Error(), "no such database") ||
			tokenErr == nil || !strings.Contains(tokenErr.Error(), "no such access token") {
			t.Errorf("%q: %v, %v", name, statsErr, tokenErr)
		}
	}
	for name, err := range map[string]error{
		"delete": func() error { _, err := l.client.DeleteDatabase(t.Context(), ""); return err }(),
		"stats":  func() error { _, err := l.client.DatabaseStats(t.Context(), ""); return err }(),
		"revoke": func() error { _, err := l.client.RevokeToken(t.Context(), ""); return err }(),
	} {
		if err == nil || !strings.Contains(err.Error(), "is empty") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestValidTokensAreCounted(t *testing.T) {
	t.Parallel()
	l := newListener(t)
	must(l.client.CreateDatabase(t.Context(), admin.CreateDatabase{Name: "orders"}))(t)
	for _, expiresAt := range []*time.Time{nil, ptr(epoch.Add(time.Millisecond)), ptr(epoch.Add(time.Hour))} {
		must(l.client.CreateToken(t.Context(), admin.CreateToken{Database: "orders", Scope: "read", ExpiresAt: expiresAt}))(t)
	}
	revoked := must(l.client.CreateToken(t.Context(), admin.CreateToken{Database: "orders", Scope: "read"}))(t)
	must(l.client.RevokeToken(t.Context(), revoked.Token.ID))(t)
	if stats := must(l.client.DatabaseStats(t.Context(), "orders"))(t); stats.Tokens != 3 {
		t.Errorf("%d tokens are valid, want 3", stats.Tokens)
	}
	later := admin.NewLocal(l.dir, func() time.Time { return epoch.Add(time.Millisecond) })
	if stats := must(later.DatabaseStats(t.Context(), "orders"))(t); stats.Tokens != 2 {
		t.Errorf("%d tokens are valid, want 2", stats.Tokens)
	}
	if deleted := must(later.DeleteDatabase(t.Context(), "orders"))(t); deleted.RevokedTokens != 2 {
		t.Errorf("%d tokens were revoked, want 2", deleted.RevokedTokens)
	}
}
