package conformance

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

var (
	killRounds = flag.Int("kill.rounds", 0, "how often TestKill kills the server; 0 for 20, or 6 with -short")
	killSeed   = flag.Uint64("kill.seed", 0, "makes the choices of TestKill those of an earlier run; 0 for new ones")
)

const (
	killWriters     = 16
	killConnections = 6

	// killExpiry is short, so that the sweeper always has something to do.
	killExpiry = 150 * time.Millisecond

	// killPatience bounds one wait for the moment of the kill.
	killPatience = 10 * time.Second
)

// killMoments are the moments at which a server is killed. Each function returns when
// it has come.
var killMoments = []struct {
	name   string
	writes bool // the server gets ready and is written to
	await  func(*killRound)
}{
	{"amid writes", true, func(r *killRound) { r.awaitWrites(1 + r.random.IntN(300)) }},
	{"at the first writes", true, func(r *killRound) { r.awaitWrites(1) }},
	{"in a checkpoint", true, (*killRound).awaitCheckpoint},
	{"in a sweep", true, (*killRound).awaitSweep},
	{"while it drains", true, (*killRound).awaitDrain},
	{"while it starts", false, func(r *killRound) { r.wait(time.Duration(r.random.Int64N(int64(60 * time.Millisecond)))) }},
}

// A server is killed again and again under concurrent writes. Every acknowledged write
// is there afterwards, every write is there whole or not at all, and versionstamps only
// go up.
func TestKill(t *testing.T) { //nolint:tparallel // each round goes on with the file of the last one
	t.Parallel()
	rounds, seed := *killRounds, *killSeed
	if rounds == 0 {
		rounds = 20
		if testing.Short() {
			rounds = 6
		}
	}
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("for the same choices: -kill.seed=%d", seed)
		}
	})
	k := &killing{folder: t.TempDir(), random: rand.New(rand.NewPCG(seed, 0)), tally: make(map[string]int)}
	for round := range rounds {
		if round == 0 || k.random.IntN(6) == 0 {
			k.newFile(t, round)
		}
		if !t.Run(fmt.Sprintf("round %d", round), func(t *testing.T) { k.round(t, round) }) {
			break
		}
	}
	server := startProcess(t, k.path)
	server.stop(t)
	k.check(t, nil)
	t.Logf("%d rounds: %v", rounds, k.tally)
	for _, what := range []string{"acknowledged", "unknown", "unknown and made", "checkpoints met", "sweeps met"} {
		if rounds >= 20 && k.tally[what] == 0 {
			t.Errorf("%s: none, so that nothing is proven of it", what)
		}
	}
}

// killing is a file that goes through rounds, and what it must hold.
type killing struct {
	folder  string
	path    string
	created bool // a server was ready, or the file was seen to have tables
	model   *crashModel
	random  *rand.Rand
	tally   map[string]int
}

func (k *killing) newFile(t *testing.T, round int) {
	t.Helper()
	if k.path != "" {
		for _, suffix := range databaseSuffixes {
			if err := os.Remove(k.path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
		}
	}
	k.path = filepath.Join(k.folder, fmt.Sprintf("%d.sqlite", round))
	k.created, k.model = false, newCrashModel()
	k.tally["files"]++
}

// databaseSuffixes are what the names of the files of one database end with, the shared
// memory last.
var databaseSuffixes = []string{"", "-journal", "-wal", "-shm"}

// killRound is a server on its way to be killed.
type killRound struct {
	t       *testing.T
	server  *process
	random  *rand.Rand
	tally   map[string]int
	written chan struct{} // has room for one token; given after an acknowledged write
	stopped chan struct{} // closed once no writer is left

	acknowledged atomic.Int64
	mu           sync.Mutex
	expiryMs     int64 // guarded by mu: the next one, as far as it is known
}

// round starts a server, kills it and looks at what it left.
func (k *killing) round(t *testing.T, round int) {
	moment := killMoments[k.random.IntN(len(killMoments))]
	if round < len(killMoments) {
		moment = killMoments[round]
	}
	seed := k.random.Uint64()
	k.tally[moment.name]++
	r := &killRound{
		t: t, server: serverOptions{path: k.path}.launch(t), random: rand.New(rand.NewPCG(seed, 1)), tally: k.tally,
		written: make(chan struct{}, 1), stopped: make(chan struct{}),
	}
	var writers []*crashWriter
	errs := make([]error, killWriters)
	var wait sync.WaitGroup
	if moment.writes {
		r.server.awaitReady(t)
		k.created = true
		ways := openWays(t, killConnections, r.server.url, processToken)
		for number := range killWriters {
			w := newCrashWriter(number, seed, strconv.Itoa(round), k.model)
			w.db, w.maxExpiry, w.acknowledged = ways[number%len(ways)], killExpiry, r.note
			writers = append(writers, w)
			wait.Go(func() { errs[number] = w.write(t.Context(), 100_000) })
		}
	}
	go func() {
		defer close(r.stopped)
		wait.Wait()
	}()
	defer func() { // also if the moment never comes
		_ = r.server.cmd.Process.Kill()
		<-r.stopped
	}()
	moment.await(r)
	r.kill(moment.name == "while it drains")
	<-r.stopped
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	k.check(t, writers)
}

// note is told of each acknowledged write.
func (r *killRound) note(write *crashWrite) {
	r.acknowledged.Add(1)
	nowMs := time.Now().UnixMilli()
	r.mu.Lock()
	for _, mutation := range write.request.Mutations {
		if mutation.ExpireAtMs > nowMs && (r.expiryMs <= nowMs || mutation.ExpireAtMs < r.expiryMs) {
			r.expiryMs = mutation.ExpireAtMs
		}
	}
	r.mu.Unlock()
	select {
	case r.written <- struct{}{}:
	default:
	}
}

func (r *killRound) wait(d time.Duration) {
	select {
	case <-time.After(d):
	case <-r.server.exited:
	}
}

// await waits for a condition that writes bring about.
func (r *killRound) await(what string, done func() bool) {
	r.t.Helper()
	patience := time.After(killPatience)
	for !done() {
		select {
		case <-r.written:
		case <-r.stopped:
			r.t.Fatalf("the writers stopped before there was %s", what)
		case <-patience:
			r.t.Fatalf("there never was %s", what)
		}
	}
}

func (r *killRound) awaitWrites(n int) {
	r.t.Helper()
	r.await(fmt.Sprintf("write %d", n), func() bool { return r.acknowledged.Load() >= int64(n) })
	r.wait(time.Duration(r.random.Int64N(int64(2 * time.Millisecond))))
}

// awaitCheckpoint returns when the file itself begins to change, which nothing but a
// checkpoint makes it do, or a moment later.
func (r *killRound) awaitCheckpoint() {
	r.t.Helper()
	modified := func() time.Time {
		info, err := os.Stat(r.server.path)
		if err != nil {
			r.t.Fatal(err)
		}
		return info.ModTime()
	}
	before := modified()
	patience := time.Now().Add(killPatience)
	for modified().Equal(before) { // a checkpoint takes milliseconds: no time to be told of it
		if time.Now().After(patience) {
			r.t.Fatal("there never was a checkpoint")
		}
	}
	r.tally["checkpoints met"]++
	r.wait(time.Duration(r.random.Int64N(int64(3 * time.Millisecond))))
}

// awaitSweep returns about when keys expire.
func (r *killRound) awaitSweep() {
	r.t.Helper()
	var expiry time.Time
	r.await("a key that expires", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		expiry = time.UnixMilli(r.expiryMs)
		return r.acknowledged.Load() > 50 && time.Until(expiry) > 0
	})
	r.tally["sweeps met"]++
	r.wait(time.Until(expiry) + time.Duration(r.random.Int64N(int64(3*time.Millisecond))))
}

// awaitDrain tells the server to stop and does not let it.
func (r *killRound) awaitDrain() {
	r.t.Helper()
	r.awaitWrites(1 + r.random.IntN(100))
	if err := r.server.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		r.t.Fatal(err)
	}
	r.wait(time.Duration(r.random.Int64N(int64(5 * time.Millisecond))))
}

// kill ends the server, which must be there for it but for one that drains.
func (r *killRound) kill(mayHaveEnded bool) {
	r.t.Helper()
	err := r.server.cmd.Process.Kill()
	<-r.server.exited
	state := r.server.cmd.ProcessState
	killed := err == nil && !state.Exited()
	if !killed && (!mayHaveEnded || state.ExitCode() != 0) {
		r.t.Errorf("the server ended by itself: %v\n%s", state, r.server.stderr)
	}
	if mayHaveEnded && killed {
		r.tally["drains cut off"]++
	}
}

// check compares what the file holds with what the writers sent and were told. It looks
// at a copy, so that the next server finds the file as it was left.
func (k *killing) check(t *testing.T, writers []*crashWriter) {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "copy.sqlite")
	for _, suffix := range databaseSuffixes[:3] {
		data, err := os.ReadFile(k.path + suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.WriteFile(copied+suffix, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	nowMs := time.Now().UnixMilli()
	file, err := readCrashFile(t.Context(), copied)
	if errors.Is(err, errNoTables) && !k.created {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	k.created = true
	if err := k.judge(file, writers, nowMs); err != nil {
		t.Fatal(err)
	}
}

// judge finds out which writes without a reply were made, and then asks for exactly
// what they and the acknowledged ones leave.
func (k *killing) judge(file *crashFile, writers []*crashWriter, nowMs int64) error {
	var made []*crashWrite
	for _, w := range writers {
		for _, write := range w.writes {
			switch write.outcome {
			case writeCommitted:
				k.tally["acknowledged"]++
				made = append(made, write)
			case writeCheckFailed:
				k.tally["failed checks"]++
			case writeTypeMismatch:
				k.tally["spoilt"]++
			default:
				k.tally["unknown"]++
				// It was the last of its writer, so nothing else can have taken its mark
				// away, and the mark alone must tell of all of it.
				marked := file.entries[string(w.markKey())]
				if strings.HasPrefix(string(marked.value.Data), write.mark+"|") {
					k.tally["unknown and made"]++
					write.version = marked.version
					made = append(made, write)
				}
			}
		}
	}
	if err := k.model.add(made); err != nil {
		return err
	}
	if file.version < k.model.version {
		return fmt.Errorf("data_version is %d, after version %d was seen", file.version, k.model.version)
	}
	if err := k.model.compare(file, nowMs); err != nil {
		return err
	}
	k.model.forget()
	k.model.version = file.version // sweeps take versions too, and none comes again
	return nil
}
