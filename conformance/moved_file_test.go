package conformance

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
)

// savedInFile is in the log once a file that is not where it was has all that was written.
const savedInFile = "all acknowledged writes are in the file that was moved or removed"

// startMovedTrial starts a server whose file the test takes away.
func startMovedTrial(t *testing.T) *diskTrial {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("Windows lets nobody take away a file that is open")
	}
	return startDiskTrial(t, serverOptions{path: filepath.Join(t.TempDir(), "kv.sqlite")})
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// A file that is moved away and put back is written to again, without a restart.
func TestMovedFile(t *testing.T) {
	t.Parallel()
	for name, suffix := range map[string]string{"file": "", "WAL": "-wal"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startMovedTrial(t)
			path := d.server.path + suffix
			rename(t, path, path+".moved")
			// It is found out without any write, too.
			d.server.awaitReadiness(t, 503, "not ready: "+diskTroubles[protocol.ErrFileMoved])
			d.wantInTrouble(t, protocol.ErrFileMoved, diskTroubles[protocol.ErrFileMoved])
			rename(t, path+".moved", path)
			d.wantWell(t)
			d.wantContentAfterKill(t, func() {})
		})
	}
}

// A WAL that is removed holds what is nowhere else. It is written back into the file at once,
// so that nothing is lost although the server is killed.
func TestRemovedWAL(t *testing.T) {
	t.Parallel()
	d := startMovedTrial(t)
	if err := os.Remove(d.server.path + "-wal"); err != nil {
		t.Fatal(err)
	}
	d.wantInTrouble(t, protocol.ErrFileMoved, diskTroubles[protocol.ErrFileMoved])
	d.server.awaitLogged(t, savedInFile)
	d.wantContentAfterKill(t, func() {})
}

// A file that is removed can be copied from the server as long as that runs.
func TestRemovedFile(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the files that a process has open are shown by Linux alone")
	}
	d := startMovedTrial(t)
	path := d.server.path
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	d.wantInTrouble(t, protocol.ErrFileMoved, diskTroubles[protocol.ErrFileMoved])
	d.server.awaitLogged(t, savedInFile)
	saved := filepath.Join(t.TempDir(), "saved.sqlite")
	copyRemovedFile(t, d.server, path, saved)
	d.wantContentAfterKill(t, func() {
		for _, suffix := range []string{"-wal", "-shm"} {
			if err := os.Remove(path + suffix); err != nil {
				t.Fatal(err)
			}
		}
		rename(t, saved, path)
	})
}

// copyRemovedFile copies a file that only the server has any more.
func copyRemovedFile(t *testing.T, server *process, path, to string) {
	t.Helper()
	folder := fmt.Sprintf("/proc/%d/fd", server.cmd.Process.Pid)
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		descriptor := filepath.Join(folder, entry.Name())
		if target, err := os.Readlink(descriptor); err != nil || target != path+" (deleted)" {
			continue
		}
		from, err := os.Open(descriptor)
		if err != nil {
			t.Fatal(err)
		}
		out, err := os.Create(to)
		if err == nil {
			_, err = io.Copy(out, from)
			err = errors.Join(err, out.Close())
		}
		if err := errors.Join(err, from.Close()); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatal("the server does not have the file open")
}

// Another file that has taken the place is not written to, and not harmed by what the server
// does with its own.
func TestReplacedFile(t *testing.T) {
	t.Parallel()
	d := startMovedTrial(t)
	path := d.server.path
	other := startProcess(t, "")
	kv := d.program.open(t, other.url, processToken)
	kv.mustSet(t, "of the other", "1")
	other.stop(t)
	rename(t, path, path+".moved")
	rename(t, other.path, path)
	d.wantInTrouble(t, protocol.ErrFileMoved, diskTroubles[protocol.ErrFileMoved])
	d.server.awaitLogged(t, savedInFile)
	d.server.kill(t)

	server := d.server.restart(t)
	kv = d.program.open(t, server.url, processToken)
	kv.wantValue(t, "of the other", "1")
	kv.wantValue(t, d.acknowledged[0], "")
	d.server = startProcess(t, path+".moved")
	d.wantContent(t, d.program.open(t, d.server.url, processToken))
}

// A server on a file that has taken the place of another keeps what it acknowledges when the
// server on that other one stops: both have the same log by then.
func TestServerOnReplacedFile(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows lets nobody take away a file that is open")
	}
	path := filepath.Join(t.TempDir(), "kv.sqlite")
	first, other := startProcess(t, path), startProcess(t, "")
	countFrom(t, openDatabase(t, first), 1, 3)
	countFrom(t, openDatabase(t, other), 1, 5)
	other.stop(t)
	rename(t, path, path+".moved")
	rename(t, other.path, path)
	first.awaitReadiness(t, http.StatusServiceUnavailable, "not ready: "+diskTroubles[protocol.ErrFileMoved])
	first.awaitLogged(t, savedInFile)

	second := startProcess(t, path)
	countFrom(t, openDatabase(t, second), 6, 20)
	first.stop(t)
	second.kill(t)
	wantCount(t, second.restart(t), 20)
	wantCount(t, startProcess(t, path+".moved"), 3)
}

// The shared memory of a WAL holds nothing that is not in the WAL.
func TestRemovedSharedMemory(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows lets nobody take away a file that is open")
	}
	server := startProcess(t, "")
	d := openDatabase(t, server)
	countFrom(t, d, 1, 3)
	if err := os.Remove(server.path + "-shm"); err != nil {
		t.Fatal(err)
	}
	countFrom(t, d, 4, 6)
	server.kill(t)
	wantCount(t, server.restart(t), 6)
}

func wantCount(t *testing.T, server *process, want uint64) {
	t.Helper()
	if first, second := counters(t, openDatabase(t, server)); first != want || second != want {
		t.Errorf("counters %d and %d, want %d", first, second, want)
	}
}
