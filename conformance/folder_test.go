package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// folderServer is a server of many databases. Operators work on it while it runs.
type folderServer struct {
	*process
}

// startFolder serves a new data folder.
func startFolder(t *testing.T, args ...string) *folderServer {
	t.Helper()
	return serverOptions{folder: filepath.Join(t.TempDir(), "data"), args: args}.startFolder(t)
}

func (o serverOptions) startFolder(t *testing.T) *folderServer {
	t.Helper()
	return &folderServer{o.start(t)}
}

// restart starts a server on the same address and folder, in the same way.
func (s *folderServer) restart(t *testing.T) *folderServer {
	t.Helper()
	return &folderServer{s.process.restart(t)}
}

// accessToken opens a database. Its id is for operators.
type accessToken struct {
	secret string
	id     string
}

var (
	idOfDatabase = regexp.MustCompile(`with the id ([0-9a-f-]{36})\n`)
	idOfToken    = regexp.MustCompile(`t_[0-9A-Za-z]{12}`)
)

// createDatabase gives the id of a new database. The arguments are further ones of
// "db create".
func (s *folderServer) createDatabase(t *testing.T, name string, args ...string) (id string) {
	t.Helper()
	stdout, _ := operate(t, s.folder, append([]string{"db", "create", name}, args...)...)
	return firstMatch(t, idOfDatabase, stdout)
}

// createToken makes a token. The arguments are further ones of "token create".
func (s *folderServer) createToken(t *testing.T, database, scope string, args ...string) accessToken {
	t.Helper()
	stdout, stderr := operate(t, s.folder, append([]string{"token", "create", "--db", database, "--scope", scope}, args...)...)
	return accessToken{secret: strings.TrimSpace(stdout), id: firstMatch(t, idOfToken, stderr)}
}

// operate runs a command of the program on a folder, which must succeed, as an operator
// does, and gives what it prints.
func operate(t *testing.T, folder string, args ...string) (stdout, stderr string) {
	t.Helper()
	stdout, stderr, err := tryToOperate(t, folder, args...)
	if err != nil {
		t.Fatalf("kvconnect %s: %v\n%s", strings.Join(args, " "), err, stderr)
	}
	return stdout, stderr
}

// tryToOperate is operate, but of a command that may fail.
func tryToOperate(t *testing.T, folder string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	binary, err := buildServer()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), processPatience)
	defer cancel()
	command := exec.CommandContext(ctx, binary, append([]string{"--data-dir", folder}, args...)...)
	command.Env = plainEnviron()
	var out, log bytes.Buffer
	command.Stdout, command.Stderr = &out, &log
	err = command.Run()
	return out.String(), log.String(), err
}

// firstMatch gives the first group of a pattern in a text, or all of it if the pattern has
// none.
func firstMatch(t *testing.T, pattern *regexp.Regexp, text string) string {
	t.Helper()
	match := pattern.FindStringSubmatch(text)
	if match == nil {
		t.Fatalf("nothing in it fits %s:\n%s", pattern, text)
	}
	return match[len(match)-1]
}

// expiry gives when a token expires.
func (s *folderServer) expiry(t *testing.T, token accessToken) time.Time {
	t.Helper()
	stdout, _ := operate(t, s.folder, "token", "list", "--json")
	var tokens []struct {
		ID        string    `json:"id"`
		ExpiresAt time.Time `json:"expiresAt"`
	}
	if err := json.Unmarshal([]byte(stdout), &tokens); err != nil {
		t.Fatal(err)
	}
	for _, listed := range tokens {
		if listed.ID == token.id {
			return listed.ExpiresAt
		}
	}
	t.Fatalf("the token %s is not listed", token.id)
	return time.Time{}
}

// writeFile gives the path of a file with this text.
func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// jsonField gives a field of a JSON object that is a string.
func jsonField(t *testing.T, object []byte, name string) string {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal(object, &fields); err != nil {
		t.Fatal(err)
	}
	field, ok := fields[name].(string)
	if !ok {
		t.Fatalf("there is no string %s in %v", name, fields)
	}
	return field
}
