//go:build linux || darwin

package sqlitebackend

import (
	"os"
	"syscall"
)

// freeBytes is the room that this process has on the file system of path; known is false if
// that cannot be told.
func freeBytes(path string) (n uint64, known bool) {
	var status syscall.Statfs_t
	if err := syscall.Statfs(path, &status); err != nil || status.Blocks == 0 {
		return 0, false // a file system without blocks has no bound of its own
	}
	blocks := status.Bavail
	if os.Geteuid() == 0 {
		blocks = status.Bfree // with what is kept for root
	}
	return blocks * uint64(status.Bsize), true //nolint:gosec // no block has a negative size
}
