package sqlitebackend_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// A process that closes a file loses all its locks on it, also those of another
// connection. Then whoever else opens the file and closes it would take itself for the
// last one, and remove the WAL that is being written to.
func TestOpeningAFileTwiceKeepsItsLocks(t *testing.T) {
	t.Parallel()
	for name, second := range map[string]sqlitebackend.Options{
		"for writing": {},
		"for reading": {ReadOnly: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := tempPath(t)
			first := open(t, sqlitebackend.Options{Path: path})
			commit(t, first, set("a", "1"))
			if !isLocked(t, path) {
				t.Fatal("a database that is open has no lock on its file")
			}
			second.Path = path
			open(t, second)
			if !isLocked(t, path) {
				t.Error("opening the file once more gave up the lock on it")
			}
		})
	}
}

// isLocked tells whether some process has a lock on the file.
func isLocked(t *testing.T, path string) bool {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		t.Skip("the system does not tell of locks")
	}
	// The system writes the list page by page, and may leave out a lock while others
	// come and go; it does not do so every time.
	const looks = 50
	for range looks {
		locks, err := os.ReadFile("/proc/locks")
		if err != nil {
			t.Skip("the system does not tell of locks")
		}
		if strings.Contains(string(locks), fmt.Sprintf(":%d ", stat.Ino)) {
			return true
		}
	}
	return false
}
