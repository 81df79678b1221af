package conformance

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// diskOperation is what a program did to the files of a database, in the order in which
// testdata/powerloss/trace.c notes it.
type diskOperation struct {
	kind   byte
	inode  uint64 // 0 for the folder
	number int64  // the offset of a write, the new size of a truncated file, or which sync it is
	data   []byte // of a write
	name   string // of the file opened or unlinked, without the folder
	// endBytes is the length of the trace with this operation as its last.
	endBytes int64
}

const (
	diskOpen      = 'o' // the file is made if no file has the name
	diskWrite     = 'w'
	diskTruncate  = 't' // or made longer
	diskSyncBegin = 's'
	diskSyncEnd   = 'e' // what was noted before this sync began is durable
	diskUnlink    = 'u'
)

// buildTracer builds the library to preload into the server.
func buildTracer(t *testing.T) (path string) {
	t.Helper()
	return buildPreloaded(t, filepath.Join("testdata", "powerloss", "trace.c"))
}

// buildPreloaded builds a library to preload into the server.
func buildPreloaded(t *testing.T, source string) (path string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("a library is preloaded into the server, which is done for Linux alone")
	}
	compiler, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("there is no C compiler named cc")
	}
	path = filepath.Join(t.TempDir(), "preloaded.so")
	command := exec.CommandContext(t.Context(), compiler, "-Wall", "-Wextra", "-O2", "-shared", "-fPIC",
		"-o", path, source, "-ldl", "-pthread")
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return path
}

// readTrace reads all operations of a trace, which nobody may be writing. What of the
// last one is there in part only, because the server was killed, it takes away.
func readTrace(path string) ([]diskOperation, error) {
	trace, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	const headerBytes = 32
	var operations []diskOperation
	for at := 0; at < len(trace); {
		if len(trace)-at < headerBytes {
			return operations, os.Truncate(path, int64(at))
		}
		field := func(i int) uint64 { return binary.NativeEndian.Uint64(trace[at+8*i:]) }
		operation := diskOperation{kind: byte(field(0)), inode: field(1), number: int64(field(2))}
		payload, end := at+headerBytes, at+headerBytes+int(field(3))
		if end > len(trace) {
			return operations, os.Truncate(path, int64(at))
		}
		switch operation.kind {
		case diskOpen, diskUnlink:
			operation.name = filepath.Base(string(trace[payload:end]))
		case diskWrite:
			operation.data = trace[payload:end]
		case diskTruncate, diskSyncBegin, diskSyncEnd:
		default:
			return nil, fmt.Errorf("operation %q in the trace", operation.kind)
		}
		at = end
		operation.endBytes = int64(end)
		operations = append(operations, operation)
	}
	return operations, nil
}

// amendTrace adds the last write to a trace that lacks it, because the server was killed
// after the write and before it was noted. It does so for a page of the file alone: a
// checkpoint is all that can be under way when no client waits.
func amendTrace(trace string, disk *simulatedDisk, path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	file := disk.names[filepath.Base(path)]
	if file == nil || bytes.Equal(content, file.content) {
		return nil // what is wrong otherwise, comparing will show
	}
	const pageBytes = 4096
	from := 0
	for from < min(len(content), len(file.content)) && content[from] == file.content[from] {
		from++
	}
	from -= from % pageBytes
	page := content[from:min(from+pageBytes, len(content))]
	for inode, found := range disk.inodes {
		if found == file {
			return appendToTrace(trace, diskOperation{kind: diskWrite, inode: inode, number: int64(from), data: page})
		}
	}
	return nil
}

// appendToTrace notes an operation as the tracer does.
func appendToTrace(trace string, operation diskOperation) error {
	payload := append([]byte(operation.name), operation.data...)
	var noted []byte
	for _, field := range []uint64{uint64(operation.kind), operation.inode, uint64(operation.number), uint64(len(payload))} {
		noted = binary.NativeEndian.AppendUint64(noted, field)
	}
	out, err := os.OpenFile(trace, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = out.Write(append(noted, payload...))
	return errors.Join(err, out.Close())
}

// A server that was killed may have written a page that was not noted, or in part.
func TestTraceOfAKilledServer(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path, trace := filepath.Join(folder, "kv.sqlite"), filepath.Join(folder, "trace")
	content := bytes.Repeat([]byte("page"), 3*1024)
	for _, operation := range []diskOperation{
		{kind: diskOpen, inode: 7, name: "kv.sqlite"},
		{kind: diskWrite, inode: 7, data: content},
		{kind: diskWrite, inode: 7, number: 4096, data: bytes.Repeat([]byte("lost"), 1024)},
	} {
		if err := appendToTrace(trace, operation); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(trace)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Truncate(trace, info.Size()-1), os.WriteFile(path, bytes.Replace(content, []byte("page"), []byte("PAGE"), 1), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{2, 3} { // the whole operations, and then what was amended
		r := &diskRecording{}
		r.readTrace(t, trace)
		if len(r.operations) != want {
			t.Fatalf("the trace has %d operations, want %d", len(r.operations), want)
		}
		if err := amendTrace(trace, r.replay(t), path); err != nil {
			t.Fatal(err)
		}
		stored, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if same := bytes.Equal(r.replay(t).names["kv.sqlite"].content, stored); same != (want == 3) {
			t.Errorf("with %d operations, that they lead to the file is %t", want, same)
		}
	}
}
