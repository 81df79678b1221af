package conformance

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
)

// diskFault is what a disk fails to do. testdata/diskfault/fault.c has the same numbers.
type diskFault uint64

const (
	noDiskFault diskFault = iota
	diskIsFull
	diskIsReadOnly
	diskFailsToWrite
	diskFailsToSync
	diskHasNoSharedMemory // it is full when SQLite makes the file of the shared memory longer
)

// faultyDisk is a folder on a disk that can be made to fail for the server.
type faultyDisk struct {
	folder  string
	library string
	state   *os.File // what fails, and how often something did
}

func newFaultyDisk(t *testing.T) *faultyDisk {
	t.Helper()
	d := &faultyDisk{folder: t.TempDir(), library: buildPreloaded(t, filepath.Join("testdata", "diskfault", "fault.c"))}
	var err error
	d.state, err = os.Create(filepath.Join(t.TempDir(), "switch"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.state.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := d.state.Truncate(16); err != nil {
		t.Fatal(err)
	}
	return d
}

// env is for a server whose files are to be on the disk.
func (d *faultyDisk) env() []string {
	return []string{"LD_PRELOAD=" + d.library, "FAULT_FOLDER=" + d.folder, "FAULT_SWITCH=" + d.state.Name()}
}

// fail has the disk fail from now on.
func (d *faultyDisk) fail(t *testing.T, fault diskFault) {
	t.Helper()
	if _, err := d.state.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(fault)), 0); err != nil {
		t.Fatal(err)
	}
}

// failed is how often something failed.
func (d *faultyDisk) failed(t *testing.T) uint64 {
	t.Helper()
	var n [8]byte
	if _, err := d.state.ReadAt(n[:], 8); err != nil {
		t.Fatal(err)
	}
	return binary.NativeEndian.Uint64(n[:])
}
