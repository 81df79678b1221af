package conformance

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
)

// smallDisk is a file system of that size, which only root can make.
func smallDisk(t *testing.T, size string) (folder string) {
	t.Helper()
	folder = t.TempDir()
	if err := syscall.Mount("none", folder, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("a file system cannot be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(folder, 0); err != nil {
			t.Error(err)
		}
	})
	return folder
}

// fillDisk takes all room that there is.
func fillDisk(t *testing.T, path string) {
	t.Helper()
	out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	page := bytes.Repeat([]byte{1}, 4096)
	for err == nil {
		_, err = out.Write(page)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

// On a disk that is really full, what fits into the files as they are may still be written;
// the rest is refused until there is room. See TestDiskTrouble.
func TestFullFileSystem(t *testing.T) {
	t.Parallel()
	for _, durability := range []string{"full", "normal"} {
		t.Run(durability, func(t *testing.T) {
			t.Parallel()
			folder := smallDisk(t, "16m")
			d := startDiskTrial(t, serverOptions{
				path: filepath.Join(folder, "kv.sqlite"), args: []string{"--durability", durability},
			})
			ballast := filepath.Join(folder, "ballast")
			fillDisk(t, ballast)
			for err := error(nil); err == nil; { // in the WAL there may be room
				key := d.nextKey()
				if err = d.kv.fill(t, "filled "+key, 60_000); err != nil {
					wantText(t, "write to a full disk", err, protocol.ErrDiskFull.Error())
					d.refused = append(d.refused, "filled "+key)
				} else {
					d.acknowledge(t)
				}
			}
			d.wantContent(t, d.kv)
			d.server.awaitReadiness(t, 503, "not ready: "+diskTroubles[protocol.ErrDiskFull])
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
			for range 100 { // more than the WAL has room for
				d.fill(t)
			}
			d.wantWell(t)
			d.wantLog(t)

			fillDisk(t, ballast)
			d.wantContentAfterKill(t, func() {
				if err := os.Remove(ballast); err != nil {
					t.Fatal(err)
				}
			})
			d.server.stop(t)
		})
	}
}

// A server that is started on a full disk says so.
func TestStartOnAFullDisk(t *testing.T) {
	t.Parallel()
	folder := smallDisk(t, "1m")
	fillDisk(t, filepath.Join(folder, "ballast"))
	p := serverOptions{path: filepath.Join(folder, "kv.sqlite")}.launch(t)
	<-p.exited
	if log := p.stderr.String(); p.cmd.ProcessState.ExitCode() == 0 || !strings.Contains(log, "make room on the disk") {
		t.Errorf("it ended with %d: %s", p.cmd.ProcessState.ExitCode(), log)
	}
}
