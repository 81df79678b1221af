//go:build unix

package doctor

import (
	"io"
	"os"
	"syscall"
)

// sharedMemoryLock is the byte of the shared memory which each process keeps locked that has
// the database open (sqlite.org/walformat.html, "locks"; it follows the eight listed there).
const sharedMemoryLock = 128

// openInAProcess tells whether another process has a database in WAL mode open, and which; 0
// if that cannot be seen, as from within a container. It takes no lock.
func openInAProcess(path string) (isOpen bool, process int32) {
	file, err := os.Open(path + "-shm")
	if err != nil {
		return false, 0
	}
	defer func() { _ = file.Close() }() // only read
	lock := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart, Start: sharedMemoryLock, Len: 1}
	if err := syscall.FcntlFlock(file.Fd(), syscall.F_GETLK, &lock); err != nil || lock.Type == syscall.F_UNLCK {
		return false, 0
	}
	return true, lock.Pid
}
