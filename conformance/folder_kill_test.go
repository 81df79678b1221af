package conformance

import (
	"context"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

const (
	folderKillRounds    = 3
	folderKillDatabases = 3
	folderKillWriters   = 4 // of each database
	folderKillWrites    = 150
)

// A server of several databases is killed again and again under writes to all of them, and
// while an operator makes tokens. Nothing that was acknowledged is lost, in no database and
// not of the tokens, and the folder can be opened at once.
func TestKillFolder(t *testing.T) {
	t.Parallel()
	seed := *killSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("for the same choices: -kill.seed=%d", seed)
		}
	})
	// Fewer may be open than there are, so that some are just being opened or closed.
	server := startFolder(t, "--max-open-databases", strconv.Itoa(folderKillDatabases-1), "--database-idle-timeout", "1ms")
	f := &folderKilling{server: server, random: rand.New(rand.NewPCG(seed, 0)), tally: make(map[string]int)}
	for n := range folderKillDatabases {
		name := "tenant-" + strconv.Itoa(n)
		id := server.createDatabase(t, name)
		f.tenants = append(f.tenants, &killedTenant{
			killing: &killing{
				path: filepath.Join(server.folder, "databases", id+".sqlite"), created: true, model: newCrashModel(),
				random: f.random, tally: f.tally,
			},
			name: name, token: server.createToken(t, name, "write"),
		})
	}
	for round := range folderKillRounds {
		f.round(t, round)
	}
	t.Logf("%v", f.tally)
	if f.tally["acknowledged"] < folderKillRounds*folderKillWrites {
		t.Errorf("%d writes were acknowledged, want %d or more", f.tally["acknowledged"], folderKillRounds*folderKillWrites)
	}
}

// folderKilling is a folder that goes through rounds, and what it must hold.
type folderKilling struct {
	server  *folderServer
	tenants []*killedTenant
	tokens  []accessToken // that were made under load
	random  *rand.Rand
	tally   map[string]int
}

// killedTenant is a database, and what it must hold.
type killedTenant struct {
	*killing
	name  string
	token accessToken
}

// round has all databases written to, kills the server, looks at what it left and starts it
// again.
func (f *folderKilling) round(t *testing.T, round int) {
	t.Helper()
	seed := f.random.Uint64()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	enough := make(chan struct{})
	var acknowledged atomic.Int64
	var wait sync.WaitGroup
	writers := make([][]*crashWriter, len(f.tenants))
	errs := make([]error, len(f.tenants)*folderKillWriters)
	for i, tn := range f.tenants {
		ways := openWays(t, 2, f.server.url, tn.token.secret)
		for number := range folderKillWriters {
			w := newCrashWriter(number, seed+uint64(i), strconv.Itoa(round), tn.model)
			w.db, w.maxExpiry = ways[number%len(ways)], killExpiry
			w.acknowledged = func(*crashWrite) {
				if acknowledged.Add(1) == folderKillWrites {
					close(enough)
				}
			}
			writers[i] = append(writers[i], w)
			wait.Go(func() { errs[i*folderKillWriters+number] = w.write(ctx, 100_000) })
		}
	}
	wait.Go(func() { f.makeTokens(t) })
	writing := make(chan struct{})
	go func() {
		defer close(writing)
		wait.Wait()
	}()
	select {
	case <-enough:
	case <-writing:
	}
	f.server.kill(t)
	<-writing
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	for i, tn := range f.tenants {
		tn.check(t, writers[i])
	}
	// Nobody has the folder any more, whatever the server left in it.
	f.wantTokens(t)
	f.server = f.server.restart(t)
	f.wantTokens(t)
	for _, tn := range f.tenants {
		tn.check(t, nil)
	}
}

// makeTokens makes one token after the other until the server is gone.
func (f *folderKilling) makeTokens(t *testing.T) {
	t.Helper()
	for f.server.isRunning() {
		stdout, stderr, err := tryToOperate(t, f.server.folder, "token", "create", "--db", f.tenants[0].name, "--scope", "read")
		if err == nil {
			f.tokens = append(f.tokens, accessToken{secret: strings.TrimSpace(stdout), id: idOfToken.FindString(stderr)})
			f.tally["tokens made"]++
		}
	}
}

// wantTokens finds all tokens in the list, and those that were made last to be of use if the
// server runs.
func (f *folderKilling) wantTokens(t *testing.T) {
	t.Helper()
	listed, _ := operate(t, f.server.folder, "token", "list")
	for _, token := range f.tokens {
		if !strings.Contains(listed, token.id) {
			t.Errorf("the token %s is lost", token.id)
		}
	}
	if !f.server.isRunning() {
		return
	}
	for _, token := range f.tokens[max(0, len(f.tokens)-3):] {
		openWithGo(t, f.server.url, token.secret)
	}
}

// isRunning tells whether the server has not ended.
func (p *process) isRunning() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}
