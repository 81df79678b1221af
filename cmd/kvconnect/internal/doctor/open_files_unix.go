//go:build unix

package doctor

import "syscall"

// openFilesLimit is the limit of this process. The runtime has raised it as far as it may.
func openFilesLimit() (files uint64, known bool) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, false
	}
	return uint64(limit.Cur), true //nolint:unconvert // it has a sign on some systems
}
