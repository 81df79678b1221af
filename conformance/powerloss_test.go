package conformance

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
)

var (
	powerlossStates = flag.Int("powerloss.states", 0, "how many states of the disk TestPowerLoss opens for each durability; 0 for 300, or 100 with -short")
	powerlossSeed   = flag.Uint64("powerloss.seed", 0, "makes the choices of TestPowerLoss those of an earlier run; 0 for new ones")
)

const (
	powerlossWriters = 8

	// powerlossExpiry is such that much is swept while the recording goes on.
	powerlossExpiry = 50 * time.Millisecond

	// powerlossBatch is how many states are opened of one recording.
	powerlossBatch = 2000
)

// The power fails at any moment, and what was not synced is lost, torn or out of order.
// What is left is always what the first writes up to some moment left, each of them whole;
// and with full durability these are at least all that were acknowledged.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	tracer := buildTracer(t)
	seed, states := *powerlossSeed, *powerlossStates
	if seed == 0 {
		seed = rand.Uint64()
	}
	if states == 0 {
		states = 300
		if testing.Short() {
			states = 100
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("for the same choices: -powerloss.seed=%d", seed)
		}
	})
	for _, durability := range []string{"full", "normal"} {
		t.Run(durability, func(t *testing.T) {
			t.Parallel()
			var found, ofALie findings
			for batch := 0; batch*powerlossBatch < states && found.damage == nil; batch++ {
				seed := seed + uint64(batch)
				n := min(powerlossBatch, states-batch*powerlossBatch)
				r := recordDisk(t, tracer, durability, seed)
				t.Log(r)
				r.openStates(t, newSimulatedDisk(), n, seed, &found)
				lying := newSimulatedDisk()
				lying.ignoreSyncs = true
				r.openStates(t, lying, max(20, n/10), seed, &ofALie)
			}
			t.Logf("%v; with a disk that ignores syncs: %v", &found, &ofALie)
			if found.damage != nil {
				t.Error(found.damage)
			}
			if durability == "full" && found.loss != nil {
				t.Error(found.loss)
			}
			// Proof that the states are such that a sync which is missing shows.
			if durability == "normal" && found.loss == nil {
				t.Error("no acknowledged write was lost, so that nothing tells normal from full")
			}
			if ofALie.damage == nil && ofALie.loss == nil {
				t.Error("a disk that ignores syncs does no harm")
			}
		})
	}
}

// writesOfARun is how many each writer makes in each of the three runs of a recording.
func writesOfARun() int {
	if testing.Short() {
		return 30
	}
	return 40
}

// diskRecording is all that a server did to its files, and what its clients were told.
type diskRecording struct {
	operations []diskOperation
	model      *crashModel
	writes     []*crashWrite // that were made; none was sent whose end is not known
	databaseID uuid.UUID
	readyBytes int64 // of the trace when the first server was ready
	endMs      int64
	sweeps     int64 // which take a version each
}

// recordDisk runs three servers, one after the other, on one new file. The first is
// killed, which leaves a WAL; the others are stopped.
func recordDisk(t *testing.T, tracer, durability string, seed uint64) *diskRecording {
	t.Helper()
	// The server follows links; the tracer compares paths.
	folder, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path, trace := filepath.Join(folder, "kv.sqlite"), filepath.Join(t.TempDir(), "trace")
	traceBytes := func() int64 {
		info, err := os.Stat(trace)
		if err != nil {
			t.Error(err)
			return 0
		}
		return info.Size()
	}
	server := serverOptions{
		path: path, args: []string{"--durability", durability},
		env: []string{"LD_PRELOAD=" + tracer, "TRACE_DATABASE=" + path, "TRACE_FILE=" + trace},
	}
	r := &diskRecording{model: newCrashModel()}
	for run, end := range []func(*process, *testing.T){(*process).kill, (*process).stop, (*process).stop} {
		p := server.start(t)
		if run == 0 {
			r.readyBytes = traceBytes()
		}
		ways := openHTTPWays(t, 4, p.url, processToken)
		id, err := uuid.Parse(ways[0].metadata.DatabaseID)
		if err != nil {
			t.Fatal(err)
		}
		if run > 0 && id != r.databaseID {
			t.Fatalf("the database has the id %s, and had %s before", id, r.databaseID)
		}
		r.databaseID = id
		var wait sync.WaitGroup
		writers := make([]*crashWriter, powerlossWriters)
		for number := range writers {
			w := newCrashWriter(number, seed+uint64(run), strconv.Itoa(run), r.model)
			w.db = ways[number%len(ways)]
			if run > 0 {
				// When the first server is killed, hardly anything may be under way: what the
				// system has done and the tracer has not noted is lacking in the trace.
				w.maxExpiry = powerlossExpiry
			}
			w.acknowledged = func(write *crashWrite) { write.traceBytes = traceBytes() }
			writers[number] = w
			wait.Go(func() {
				if err := w.write(t.Context(), writesOfARun()); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		for _, way := range ways {
			way.client.CloseIdleConnections() // or the server waits for them
		}
		end(p, t)
		if t.Failed() {
			t.FailNow()
		}
		r.addRun(t, writers)
		if run == 0 {
			r.readTrace(t, trace)
			if err := amendTrace(trace, r.replay(t), path); err != nil {
				t.Fatal(err)
			}
		}
		r.readTrace(t, trace)
		for _, suffix := range databaseSuffixes[:3] {
			file, traced := r.replay(t).names["kv.sqlite"+suffix]
			content, err := os.ReadFile(path + suffix)
			if traced != (err == nil) || traced && !bytes.Equal(content, file.content) {
				t.Fatalf("run %d: kv.sqlite%s is not what was traced (%v)", run, suffix, err)
			}
		}
	}
	r.endMs = time.Now().UnixMilli()
	file, err := readCrashFile(t.Context(), path)
	if err == nil {
		err = r.model.compare(file, r.endMs)
	}
	if err != nil {
		t.Fatal(err)
	}
	r.sweeps = file.version - int64(len(r.writes))
	if r.sweeps == 0 || r.walRestarts() == 0 {
		t.Errorf("nothing is proven of sweeps or of a WAL that begins again: %v", r)
	}
	return r
}

func (r *diskRecording) addRun(t *testing.T, writers []*crashWriter) {
	t.Helper()
	var made []*crashWrite
	for _, w := range writers {
		if len(w.writes) != writesOfARun() {
			t.Fatalf("a writer made %d writes, want %d", len(w.writes), writesOfARun())
		}
		for _, write := range w.writes {
			switch write.outcome {
			case writeCommitted:
				made = append(made, write)
			case writeLost:
				t.Fatalf("write %s got no reply", write.mark)
			default: // not made
			}
		}
	}
	if err := r.model.add(made); err != nil {
		t.Fatal(err)
	}
	r.writes = append(r.writes, made...)
}

func (r *diskRecording) readTrace(t *testing.T, trace string) {
	t.Helper()
	var err error
	if r.operations, err = readTrace(trace); err != nil {
		t.Fatal(err)
	}
}

// replay gives the disk after all operations.
func (r *diskRecording) replay(t *testing.T) *simulatedDisk {
	t.Helper()
	disk := newSimulatedDisk()
	for _, operation := range r.operations {
		if err := disk.apply(operation); err != nil {
			t.Fatal(err)
		}
	}
	return disk
}

// String tells how much there is in it.
func (r *diskRecording) String() string {
	count := make(map[byte]int)
	var written int
	for _, operation := range r.operations {
		count[operation.kind]++
		written += len(operation.data)
	}
	return fmt.Sprintf("%d atomic writes and %d sweeps; %d operations on files: %d writes of %d KiB, %d truncations, %d syncs, %d unlinked; "+
		"the WAL was begun again %d times", len(r.writes), r.sweeps, len(r.operations), count[diskWrite], written>>10,
		count[diskTruncate], count[diskSyncEnd], count[diskUnlink], r.walRestarts())
}

// walRestarts gives how often a WAL that had been written back was begun again from its
// start, over what was in it.
func (r *diskRecording) walRestarts() (restarts int) {
	begun := make(map[string]bool)
	names := make(map[uint64]string)
	for _, operation := range r.operations {
		name := names[operation.inode]
		switch {
		case operation.kind == diskOpen:
			names[operation.inode] = operation.name
		case operation.kind == diskUnlink:
			begun[operation.name] = false
		case operation.kind == diskTruncate && operation.number == 0:
			begun[name] = false
		case operation.kind == diskWrite && operation.number == 0 && strings.HasSuffix(name, "-wal"):
			if begun[name] {
				restarts++
			}
			begun[name] = true
		}
	}
	return restarts
}

// cuts draws when the power fails: how many of the states come after no operation, after
// one, after two and so on.
func (r *diskRecording) cuts(states int, random *rand.Rand) (perOperation []int) {
	var anywhere, start, beforeSynced, afterSynced, ofTheFile, rare []int
	databaseInode := r.operations[0].inode // the database is opened first
	for i, operation := range r.operations {
		anywhere = append(anywhere, i)
		if operation.endBytes <= r.readyBytes {
			start = append(start, i)
		}
		switch {
		case operation.kind == diskSyncEnd:
			beforeSynced, afterSynced = append(beforeSynced, i), append(afterSynced, i+1)
		case operation.kind == diskTruncate || operation.kind == diskUnlink || operation.kind == diskOpen:
			rare = append(rare, i+1)
		case operation.kind == diskWrite && operation.inode == databaseInode:
			ofTheFile = append(ofTheFile, i+1) // in a checkpoint, but for the start
		}
	}
	kinds := [][]int{anywhere, start, beforeSynced, afterSynced, ofTheFile, rare}
	kinds = slices.DeleteFunc(kinds, func(kind []int) bool { return len(kind) == 0 }) // without syncs
	perOperation = make([]int, len(r.operations)+1)
	for range states {
		kind := kinds[random.IntN(len(kinds))]
		perOperation[kind[random.IntN(len(kind))]]++
	}
	return perOperation
}

// mustHold is the latest version that clients had been told of when the trace had a
// length.
func (r *diskRecording) mustHold(traceBytes int64) (version int64) {
	for _, write := range r.writes {
		if write.traceBytes <= traceBytes {
			version = max(version, write.version)
		}
	}
	return version
}

// findings are what came of opening many states. They are safe for concurrent use until
// the last state is added.
type findings struct {
	mu sync.Mutex
	// All are guarded by mu while states are added. damage is what may never be; loss is
	// that acknowledged writes are gone. Each is the first one found, nil for none.
	damage, loss           error
	states, damaged, lossy int
}

// String tells the numbers.
func (f *findings) String() string {
	return fmt.Sprintf("%d states opened, %d damaged, %d without some acknowledged write", f.states, f.damaged, f.lossy)
}

// add counts a state that was opened and found at the version, unless err tells of
// damage.
func (f *findings) add(cut powerCut, version int64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.states++
	switch {
	case err != nil:
		f.damaged++
		if f.damage == nil {
			f.damage = fmt.Errorf("%s: %w", cut.where, err)
		}
	case version < cut.acknowledged:
		f.lossy++
		if f.loss == nil {
			f.loss = fmt.Errorf("%s: the file is at version %d, but version %d was acknowledged", cut.where, version, cut.acknowledged)
		}
	}
}

// powerCut is a state to be opened.
type powerCut struct {
	where        string
	contents     map[string][]byte
	acknowledged int64 // the latest version that a client was told of
	ready        bool  // a client may know the database id
}

// openStates replays the recording on the disk, cuts the power many times on the way and
// opens what is left.
func (r *diskRecording) openStates(t *testing.T, disk *simulatedDisk, states int, seed uint64, found *findings) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 0))
	cuts := make(chan powerCut)
	var wait sync.WaitGroup
	defer wait.Wait()
	defer close(cuts)
	for range runtime.GOMAXPROCS(0) {
		folder := memoryFolder(t)
		wait.Go(func() {
			for cut := range cuts {
				version, err := r.open(t.Context(), folder, cut)
				found.add(cut, version, err)
			}
		})
	}
	perOperation := r.cuts(states, random)
	for done := 0; ; done++ {
		cut := powerCut{where: fmt.Sprintf("power cut after operation %d of %d", done, len(r.operations))}
		if done > 0 {
			end := r.operations[done-1].endBytes
			cut.acknowledged, cut.ready = r.mustHold(end), end >= r.readyBytes
		}
		for range perOperation[done] {
			cut.contents = disk.afterPowerCut(random)
			cuts <- cut
		}
		if done == len(r.operations) {
			return
		}
		if err := disk.apply(r.operations[done]); err != nil {
			t.Error(err)
			return
		}
	}
}

// memoryFolder gives a folder whose files are synced at no cost, where there is one: a
// state is opened by SQLite, which syncs, but its power does not fail again.
func memoryFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("/dev/shm", "kvconnect-conformance-") //nolint:usetesting // t.TempDir is on a disk
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}
