package conformance

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
)

// Whatever the disk fails to do, the program gets an exception that says so, reads and
// watches go on, and so do writes once the disk is well. Nothing acknowledged is lost, and
// nothing that was refused is there, also if the server is killed amid the trouble.
func TestDiskTrouble(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault      diskFault
		durability string
		want       error
	}{
		"full":                    {diskIsFull, "full", protocol.ErrDiskFull},
		"read-only":               {diskIsReadOnly, "full", protocol.ErrDiskReadOnly},
		"write fails":             {diskFailsToWrite, "full", protocol.ErrDiskFailing},
		"sync fails":              {diskFailsToSync, "full", protocol.ErrDiskFailing},
		"full, normal durability": {diskIsFull, "normal", protocol.ErrDiskFull},
		"write fails, normal":     {diskFailsToWrite, "normal", protocol.ErrDiskFailing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			disk := newFaultyDisk(t)
			d := startDiskTrial(t, serverOptions{
				path: filepath.Join(disk.folder, "kv.sqlite"), env: disk.env(), args: []string{"--durability", c.durability},
			})
			worker := d.kv.work(t, "counted")
			disk.fail(t, c.fault)
			if _, text := worker.awaitEnd(t); !strings.Contains(text, c.want.Error()) {
				t.Errorf("the worker ended with %q", text)
			}
			d.wantInTrouble(t, c.want, diskTroubles[c.want])
			disk.fail(t, noDiskFault)
			d.wantWell(t)

			disk.fail(t, c.fault)
			d.refuse(t, c.want)
			if disk.failed(t) == 0 {
				t.Error("nothing failed")
			}
			d.wantLog(t)
			d.wantContentAfterKill(t, func() { disk.fail(t, noDiskFault) })
		})
	}
}

// Without a sync for each write, the disk is found to fail when the WAL is written back.
func TestSyncFailsWithoutDurability(t *testing.T) {
	t.Parallel()
	disk := newFaultyDisk(t)
	d := startDiskTrial(t, serverOptions{
		path: filepath.Join(disk.folder, "kv.sqlite"), env: disk.env(), args: []string{"--durability", "normal"},
	})
	disk.fail(t, diskFailsToSync)
	for disk.failed(t) == 0 {
		d.fill(t)
	}
	d.server.awaitReadiness(t, http.StatusServiceUnavailable, "not ready: "+diskTroubles[protocol.ErrDiskFailing])
	d.acknowledge(t)
	d.wantWatch(t)
	disk.fail(t, noDiskFault)
	d.wantWell(t)
	d.wantLog(t)

	disk.fail(t, diskFailsToSync)
	d.acknowledge(t)
	d.wantContentAfterKill(t, func() { disk.fail(t, noDiskFault) })
}

// A commit that fails when it is in the WAL already, for want of room for the shared memory,
// is taken back.
func TestFullDiskForSharedMemory(t *testing.T) {
	t.Parallel()
	disk := newFaultyDisk(t)
	d := startDiskTrial(t, serverOptions{path: filepath.Join(disk.folder, "kv.sqlite"), env: disk.env()})
	release := holdWAL(t, d.server.path) // so that it becomes longer than the shared memory that there is
	disk.fail(t, diskHasNoSharedMemory)
	for i := 0; disk.failed(t) == 0; i++ {
		key := fmt.Sprintf("filled %d", i)
		if err := d.kv.fill(t, key, 60_000); err != nil {
			wantText(t, "write in trouble", err, protocol.ErrDiskFull.Error())
			d.refused = append(d.refused, key)
		}
	}
	d.wantContent(t, d.kv)
	d.wantContentAfterKill(t, func() {
		release() // what it has open is not read from the file again
		disk.fail(t, noDiskFault)
	})
}
