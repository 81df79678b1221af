package conformance

import (
	"testing"
	"time"
)

// revocationBound is how long a program may go on after its token was revoked. The server takes
// some milliseconds; the rest is for clients on a busy machine.
const revocationBound = 10 * time.Second

// ending is a way in which tokens end while a program uses them.
type ending struct {
	expires string // of the token, if it ends by itself
	end     func(t *testing.T, server *folderServer, token accessToken)
	text    string // what a write is told
	// others tells that other tokens of the database go on.
	others bool
}

// A program watches and writes while its token ends: both fail soon, with a text that says
// why. Another program of the same database, and one of another database, see nothing.
func TestTokenEnds(t *testing.T) {
	t.Parallel()
	endings := map[string]ending{
		"revoked": {
			end: func(t *testing.T, server *folderServer, token accessToken) {
				t.Helper()
				operate(t, server.folder, "token", "revoke", token.id)
			},
			text: "the access token was revoked: ask the operator of the server for a new one", others: true,
		},
		"database deleted": {
			end: func(t *testing.T, server *folderServer, _ accessToken) {
				t.Helper()
				operate(t, server.folder, "db", "delete", "orders", "--yes")
			},
			text: "the access token was revoked: ask the operator of the server for a new one",
		},
		"expired": {
			// Long enough for a program on a busy machine to begin.
			expires: "15s", end: awaitTokenExpiry,
			text: "the access token has expired: ask the operator of the server for a new one", others: true,
		},
	}
	overRuntimes(t, func(t *testing.T, runtime clientRuntime) {
		for name, e := range endings {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				e.run(t, runtime, transportLoop)
			})
		}
		if runtime == runtimeDeno {
			t.Run("revoked, over std", func(t *testing.T) {
				t.Parallel()
				endings["revoked"].run(t, runtime, transportStd)
			})
		}
	})
}

// awaitTokenExpiry returns when a token has expired by itself.
func awaitTokenExpiry(t *testing.T, server *folderServer, token accessToken) {
	t.Helper()
	<-time.After(time.Until(server.expiry(t, token)))
}

func (e ending) run(t *testing.T, runtime clientRuntime, over transportKind) {
	t.Helper()
	server := startFolder(t, over.args()...)
	server.createDatabase(t, "orders")
	server.createDatabase(t, "others")
	bystanders := []accessToken{server.createToken(t, "others", "write")}
	if e.others {
		bystanders = append(bystanders, server.createToken(t, "orders", "write"))
	}
	var undisturbed []*running
	bystander := startProgram(t, runtime)
	for _, token := range bystanders {
		kv := bystander.open(t, server.url, token.secret)
		worker := kv.work(t, "bystander")
		watch := kv.watch(t, "bystander")
		watch.awaitRounds(t, 1)
		undisturbed = append(undisturbed, worker, watch)
	}
	p := startProgram(t, runtime)
	p.open(t, server.url, bystanders[0].secret) // by now it has started
	var args []string
	if e.expires != "" {
		args = []string{"--expires", e.expires}
	}
	token := server.createToken(t, "orders", "write", args...)
	kv := p.open(t, server.url, token.secret)
	kv.mustSet(t, "b", "quiet")
	worker, raw, watch := kv.work(t, "a"), kv.watchRaw(t, "b"), kv.watch(t, "a")
	raw.awaitValue(t, "quiet")
	watch.awaitRounds(t, 1)

	e.end(t, server, token)
	ended := time.Now()
	e.wantEnd(t, "the worker", worker, ended, e.text)
	if runtime == runtimeDeno {
		e.wantEnd(t, "the quiet watch", raw, ended, "Reads are disabled for this database")
		e.wantEnd(t, "the busy watch", watch, ended, "Reads are disabled for this database")
	} else {
		e.wantEnd(t, "the quiet watch", raw, ended, "401 metadata exchange: "+e.text)
		// What reads from the other mode of @deno/kv waits for ever: the exception passes it by.
		unhandled := p.awaitUnhandled(t)
		e.wantSoon(t, "the busy watch", ended, unhandled.at)
		wantText(t, "the busy watch", programError(unhandled.text), "401 metadata exchange: "+e.text)
	}
	_, err := kv.set(t, "a", "after")
	wantText(t, "set", err, e.text)
	_, err = kv.get(t, "a")
	wantText(t, "get", err, e.text)
	_, err = p.tryOpen(t, server.url, token.secret)
	wantText(t, "open", err, "401", e.text)
	for _, r := range undisturbed {
		r.awaitRounds(t, 10)
	}
}

// wantEnd waits until a worker or watch ends, which must be soon and with this text.
func (e ending) wantEnd(t *testing.T, what string, r *running, ended time.Time, text string) {
	t.Helper()
	at, found := r.awaitEnd(t)
	e.wantSoon(t, what, ended, at)
	wantText(t, what, programError(found), text)
}

func (e ending) wantSoon(t *testing.T, what string, ended, at time.Time) {
	t.Helper()
	t.Logf("%s ended %v after the token", what, at.Sub(ended).Round(time.Millisecond))
	if later := at.Sub(ended); later > revocationBound {
		t.Errorf("%s ended %v after the token, want it within %v", what, later, revocationBound)
	}
}
