package conformance

import (
	"path/filepath"
	"strings"
	"testing"
)

// The file of a server of one database moves into a data folder by one command, and the
// programs go on with the same token, at the same URL, with the same database.
func TestAdoption(t *testing.T) {
	t.Parallel()
	for name, a := range map[string]adoption{
		"token made, folder at rest":   {},
		"token made, folder served":    {served: true},
		"token chosen, folder at rest": {chosen: true},
		"token chosen, folder served":  {chosen: true, served: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			needClients(t)
			a.run(t)
		})
	}
}

type adoption struct {
	chosen bool // the token, and not made at the first start
	served bool // the folder, somewhere else, while the command is given
}

func (a adoption) run(t *testing.T) {
	t.Helper()
	// An empty variable counts as none.
	env, token := []string{"DENO_KV_ACCESS_TOKEN="}, ""
	if a.chosen {
		env, token = nil, processToken
	}
	server := serverOptions{path: filepath.Join(t.TempDir(), "Shop.sqlite"), env: env}.start(t)
	if !a.chosen {
		token = server.awaitPrinted(t, generatedToken)
	}
	kv := startProgram(t, runtimeDeno).open(t, server.url, token)
	kv.mustSet(t, "a", "before")
	before := kv.mustSet(t, "b", "before")
	watch := kv.watch(t, "b")
	watch.awaitValue(t, "before")
	id := openWithGo(t, server.url, token).metadata.DatabaseID
	server.stop(t)

	successor := a.adopt(t, server, id)
	newcomer := startProgram(t, runtimeDeno).open(t, successor.url, token)
	newcomer.wantValue(t, "a", "before")
	if found := newcomer.wantValue(t, "b", "before"); found != before {
		t.Errorf("the versionstamp of b was %s and is %s", before, found)
	}
	if successor.url == server.url {
		kv.wantValue(t, "a", "before")
	}
	if after := newcomer.mustSet(t, "b", "after"); after <= before {
		t.Errorf("a write before has the versionstamp %s, one after %s", before, after)
	}
	if successor.url == server.url {
		watch.awaitValue(t, "after")
	}
	if now := openWithGo(t, successor.url, token).metadata.DatabaseID; now != id {
		t.Errorf("the database had the id %s and has %s", id, now)
	}
	newcomer.program.open(t, successor.url+"/databases/shop", token).wantValue(t, "b", "after")
}

// adopt moves the file of a stopped server into a new folder, and gives the server of that.
func (a adoption) adopt(t *testing.T, server *process, id string) *folderServer {
	t.Helper()
	args := []string{"db", "adopt", server.path}
	if a.chosen {
		args = append(args, "--access-token-file", writeFile(t, processToken))
	}
	successor := serverOptions{folder: filepath.Join(t.TempDir(), "data"), addr: server.addr}
	if a.served {
		successor.addr = ""
		running := successor.startFolder(t)
		printed, _ := operate(t, successor.folder, args...)
		wantAdopted(t, printed, id)
		return running
	}
	printed, _ := operate(t, successor.folder, args...)
	wantAdopted(t, printed, id)
	return successor.startFolder(t)
}

func wantAdopted(t *testing.T, printed, id string) {
	t.Helper()
	for _, want := range []string{"adopted database shop with the id " + id, "its access token stays valid"} {
		if !strings.Contains(printed, want) {
			t.Errorf("the command printed %s, want %q in it", printed, want)
		}
	}
}

// openWithGo opens a database without a runtime.
func openWithGo(t *testing.T, url, token string) *httpDatabase {
	t.Helper()
	client := httpClients["HTTP2"]()
	t.Cleanup(client.CloseIdleConnections)
	db, err := openHTTP(t.Context(), client, url, token)
	if err != nil {
		t.Fatal(err)
	}
	return db
}
