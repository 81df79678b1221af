package conformance

import (
	"strings"
	"testing"
)

// Programs of two databases use the same keys at the same time, and neither finds a trace
// of the other, however they name their database.
func TestTenants(t *testing.T) {
	t.Parallel()
	needClients(t)
	server := startFolder(t)
	for _, runtime := range []clientRuntime{runtimeDeno, runtimeNode} {
		t.Run(string(runtime), func(t *testing.T) {
			t.Parallel()
			first, second := newTenant(t, server, runtime, "first"), newTenant(t, server, runtime, "second")
			ways := len(first.ways)
			for n := range ways {
				first.write(t, n)
				second.write(t, n)
			}
			for n := range ways {
				first.check(t, n)
				second.check(t, n)
			}
			first.wantRefused(t, second)
			second.wantRefused(t, first)
			workers := []*running{first.ways[0].work(t, "busy"), second.ways[0].work(t, "busy")}
			for _, worker := range workers {
				worker.awaitRounds(t, 20)
			}
			for _, worker := range workers {
				worker.rest(t)
			}
		})
	}
}

// tenant is a program with a database of its own, which it has open in all ways.
type tenant struct {
	name, id string
	url      string // of the server
	token    accessToken
	program  *program
	ways     []*programKv
	watch    *running // of the key "shared"
}

func newTenant(t *testing.T, server *folderServer, runtime clientRuntime, role string) *tenant {
	t.Helper()
	tn := &tenant{name: role + "-of-" + map[clientRuntime]string{runtimeDeno: "deno", runtimeNode: "node"}[runtime], url: server.url}
	tn.id = server.createDatabase(t, tn.name)
	tn.token = server.createToken(t, tn.name, "write")
	tn.program = startProgram(t, runtime)
	urls := []string{
		server.url, server.url + "/",
		server.url + "/databases/" + tn.name + "/connect", server.url + "/databases/" + tn.id + "/connect",
		server.url + "/databases/" + tn.name, server.url + "/databases/" + tn.id,
	}
	for _, url := range urls {
		tn.ways = append(tn.ways, tn.program.open(t, url, tn.token.secret))
	}
	if runtime == runtimeDeno {
		// Deno puts the prefix before whatever it is told to open, so it takes another program.
		behindPrefix := startProgram(t, runtime, "DENO_KV_PATH_PREFIX="+server.url+"/databases/")
		for _, name := range []string{tn.name, tn.id} {
			tn.ways = append(tn.ways, behindPrefix.open(t, name, tn.token.secret))
		}
	}
	tn.watch = tn.ways[0].watch(t, "shared")
	return tn
}

func (tn *tenant) value(n int) string { return tn.name + " by way " + string(rune('a'+n)) }

// write writes by one of the ways, under a key of that way and one of all ways.
func (tn *tenant) write(t *testing.T, n int) {
	t.Helper()
	tn.ways[n].mustSet(t, string(rune('a'+n)), tn.value(n))
	tn.ways[n].mustSet(t, "shared", tn.value(n))
}

// check looks by one of the ways for what all have written.
func (tn *tenant) check(t *testing.T, way int) {
	t.Helper()
	for n := range tn.ways {
		tn.ways[way].wantValue(t, string(rune('a'+n)), tn.value(n))
	}
	last := tn.value(len(tn.ways) - 1)
	tn.ways[way].wantValue(t, "shared", last)
	tn.watch.awaitValue(t, last)
}

// wantRefused has the program ask for a database that is somebody else's, which must be like
// asking for one that is not there.
func (tn *tenant) wantRefused(t *testing.T, other *tenant) {
	t.Helper()
	for forbidden, unknown := range map[string]string{other.name: "nothing", other.id: "5b4e3c8e-2d9f-4a17-8c21-9d0f3a6e7b55"} {
		for _, ending := range []string{"", "/connect"} {
			_, errForbidden := tn.program.tryOpen(t, tn.url+"/databases/"+forbidden+ending, tn.token.secret)
			_, errUnknown := tn.program.tryOpen(t, tn.url+"/databases/"+unknown+ending, tn.token.secret)
			wantText(t, "open "+forbidden, errForbidden, "404", "no such database: open it again, and check the URL")
			// Deno names the URL.
			wantText(t, "open "+unknown, errUnknown, strings.ReplaceAll(errForbidden.Error(), forbidden, unknown))
		}
	}
}

// What programs see that may only read.
func TestReadingTenant(t *testing.T) {
	t.Parallel()
	overRuntimes(t, func(t *testing.T, runtime clientRuntime) {
		server := startFolder(t)
		server.createDatabase(t, "orders")
		p := startProgram(t, runtime)
		writer := p.open(t, server.url, server.createToken(t, "orders", "write").secret)
		reader := p.open(t, server.url, server.createToken(t, "orders", "read").secret)
		writer.mustSet(t, "a", "1")
		reader.wantValue(t, "a", "1")
		watch := reader.watch(t, "a")
		watch.awaitValue(t, "1")
		_, err := reader.set(t, "a", "2")
		wantText(t, "set", err, "403", "this access token may only read: to write, open the database with a token of the scope write")
		wantText(t, "delete", reader.delete(t, "a"), "403", "this access token may only read")
		reader.wantValue(t, "a", "1")
		writer.mustSet(t, "a", "3")
		watch.awaitValue(t, "3")
	})
}
